package d1

func canonical(sql string) (string, bool) { return sql, false }
