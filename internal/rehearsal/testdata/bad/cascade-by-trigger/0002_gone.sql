UPDATE users SET state = 'gone';
