PRAGMA recursive_triggers = ON;
INSERT INTO n VALUES (1);
