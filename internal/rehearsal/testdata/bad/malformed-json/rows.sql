INSERT INTO events VALUES (1, '{"kind":"a"}'), (2, ''), (3, '{"kind":"b"}');
