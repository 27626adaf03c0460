UPDATE prefs SET body = json_set(body, '$.version', 2) WHERE json_valid(body) AND body ->> '$.version' IS NULL;
