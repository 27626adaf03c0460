/* nothing; here */
