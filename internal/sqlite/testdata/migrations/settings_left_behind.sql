PRAGMA case_sensitive_like = ON;
PRAGMA recursive_triggers = ON;
PRAGMA reverse_unordered_selects = ON;
CREATE TABLE x AS SELECT id FROM t WHERE a LIKE 'X';
