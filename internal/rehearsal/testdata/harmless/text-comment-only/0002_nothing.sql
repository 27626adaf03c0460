-- This migration was moved to 0003.
/* nothing here */
