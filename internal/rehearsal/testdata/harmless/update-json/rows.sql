INSERT INTO prefs(body) VALUES ('{"theme":"dark"}'), ('{}');
