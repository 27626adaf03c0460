UPDATE OR REPLACE users SET email = lower(email) WHERE email <> lower(email);
