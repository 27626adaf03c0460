package statement_test

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/fts5"

	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// triggerSchema is what the triggers of these tests stand on. Some of its names are
// keywords that SQLite takes for names where it can, and one only looks like a keyword.
var triggerSchema = []string{
	`CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INTEGER, end INTEGER, begin TEXT, [case] INTEGER, caſe, like)`,
	`CREATE TABLE log(n INTEGER PRIMARY KEY, k UNIQUE, x, end DEFAULT 0)`,
	`CREATE TABLE begin(id INTEGER PRIMARY KEY, end, rows)`,
	`CREATE TABLE end(end)`,
	`CREATE VIEW v AS SELECT id, a, b, end, begin, [case], caſe, like FROM t`,
	`INSERT INTO t VALUES (1, 'one', 1, 5, 'x', 1, 'END', 2), (2, 'two;', -2, NULL, 'END', NULL, 0, NULL), (3, NULL, 3, 0, '', 7, x'ff', '%')`,
	`INSERT INTO log VALUES (1, 1, 'first', 1), (2, 'k', NULL, NULL)`,
	`INSERT INTO begin VALUES (1, 2, 3)`,
	`INSERT INTO end VALUES (1), (5), ('x')`,
}

// fullText is a full-text index on the content of another table.
var fullText = []string{
	`CREATE TABLE notes(id INTEGER PRIMARY KEY, v)`,
	`CREATE VIRTUAL TABLE f USING fts5(v, content='notes', content_rowid='id')`,
	`INSERT INTO notes VALUES (1, 'some words')`,
	`INSERT INTO f(rowid, v) VALUES (1, 'some words')`,
}

// canonicalCases run on triggerSchema; one without want is returned as it is.
var canonicalCases = []struct {
	name, sql, want string
	refused         bool // by SQLite, in either text
}{
	{
		name: "lower_case",
		sql:  "create trigger r after insert on t begin update t set a = 'begin end' where id = new.id; end",
		want: "create trigger r after insert on t BEGIN update t set a = 'begin end' where id = new.id; END",
	},
	{
		name: "crlf",
		sql:  "CREATE TRIGGER r AFTER INSERT ON t\r\nFOR EACH ROW\r\nBEGIN\r\n  SELECT 1;\r\n\r\n  SELECT 2;\r\nEND",
		want: "CREATE TRIGGER r AFTER INSERT ON t FOR EACH ROW BEGIN SELECT 1; SELECT 2; END",
	},
	{
		name: "all_white_space",
		sql:  "CREATE\tTRIGGER\fr\rAFTER \v INSERT \ufeff ON\n\n t BEGIN SELECT\t1 ; END",
		want: "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1 ; END",
	},
	{
		name: "no_white_space_around_begin_and_end",
		sql:  `CREATE TRIGGER"r"AFTER INSERT ON"t"begin SELECT 1;SELECT 2;end`,
		want: `CREATE TRIGGER"r"AFTER INSERT ON"t" BEGIN SELECT 1;SELECT 2; END`,
	},
	{name: "canonical_already", sql: "CREATE TRIGGER r AFTER INSERT ON t WHEN (CASE WHEN 1 THEN 1 END) BEGIN SELECT (CASE 1 WHEN 1 THEN 2 END); END"},
	{
		name: "case_in_body",
		sql:  "CREATE TRIGGER r BEFORE UPDATE ON t BEGIN SELECT case when NEW.b < 0 then RAISE(ABORT, 'neg; END;') end; END",
		want: "CREATE TRIGGER r BEFORE UPDATE ON t BEGIN SELECT (CASE when NEW.b < 0 then RAISE(ABORT, 'neg; END;') END); END",
	},
	{
		name: "case_in_when",
		sql:  "CREATE TRIGGER r AFTER UPDATE ON t WHEN CASE WHEN OLD.b IS NULL THEN 1 ELSE 0 END BEGIN SELECT 1; END",
		want: "CREATE TRIGGER r AFTER UPDATE ON t WHEN (CASE WHEN OLD.b IS NULL THEN 1 ELSE 0 END) BEGIN SELECT 1; END",
	},
	{
		name: "case_nested",
		sql:  "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE log SET x = CASE CASE 1 WHEN 1 THEN 2 END WHEN CASE WHEN 0 THEN 1 END THEN 0 ELSE CASE NEW.b WHEN 1 THEN 2 END END; END",
		want: "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE log SET x = (CASE (CASE 1 WHEN 1 THEN 2 END) WHEN (CASE WHEN 0 THEN 1 END) THEN 0 ELSE (CASE NEW.b WHEN 1 THEN 2 END) END); END",
	},
	{
		name: "case_in_parentheses",
		sql:  "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT ( case when 1 then 2 end ), ((CASE 1 WHEN 1 THEN 1 END)), (CASE 1 WHEN 1 THEN 1 END + 1); END",
		want: "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT (CASE when 1 then 2 END), ((CASE 1 WHEN 1 THEN 1 END)), ((CASE 1 WHEN 1 THEN 1 END) + 1); END",
	},
	{
		name: "case_in_every_place",
		sql: `CREATE TRIGGER r AFTER INSERT ON t BEGIN
  INSERT INTO log(k, x) SELECT DISTINCT CASE 1 WHEN 1 THEN t.id END, max(CASE a WHEN 1 THEN 1 END, CASE WHEN b THEN 1 END COLLATE NOCASE)
    FROM t JOIN end AS q ON CASE WHEN t.id THEN 1 END, json_each(CASE WHEN NEW.a THEN '[1]' END)
    WHERE NOT CASE WHEN b THEN 0 END AND CASE b WHEN 1 THEN 1 END IS NOT DISTINCT FROM CASE b WHEN 1 THEN 1 END
    GROUP BY CASE WHEN b THEN 1 END, t.id HAVING CASE WHEN 1 THEN 1 END
    ORDER BY CASE t.id WHEN 1 THEN 1 END DESC LIMIT CASE WHEN 1 THEN 2 END OFFSET CASE WHEN 1 THEN 0 END
    ON CONFLICT(k) WHERE CASE WHEN 1 THEN 1 END DO UPDATE SET x = CASE excluded.x WHEN 1 THEN 2 END WHERE CASE WHEN 1 THEN 1 END;
  SELECT ALL CASE a WHEN 1 THEN 1 END LIKE CASE WHEN 1 THEN 'x' END ESCAPE CASE WHEN 1 THEN '!' END,
    b BETWEEN CASE WHEN 1 THEN 1 END AND CASE WHEN 1 THEN 1 END, -CASE WHEN 1 THEN 1 END||CASE WHEN 1 THEN 1 END,
    count(DISTINCT CASE WHEN 1 THEN 1 END), a IN (CASE WHEN 1 THEN 1 END, 2), CASE WHEN 1 THEN 1 END end,
    sum(id) FILTER (WHERE CASE WHEN 1 THEN 1 END), CASE WHEN 1 THEN 1 END NOT IN (SELECT CASE WHEN 1 THEN 2 END) FROM t;
  SELECT sum(id) OVER (PARTITION BY CASE WHEN b THEN 1 END ORDER BY id DESC ROWS CASE WHEN 1 THEN 1 END PRECEDING) FROM t;
  VALUES (CASE WHEN 1 THEN 1 END, 1), (2, CASE WHEN 1 THEN 1 END) UNION SELECT CASE WHEN 1 THEN 1 END, 2;
END`,
		want: `CREATE TRIGGER r AFTER INSERT ON t BEGIN ` +
			`INSERT INTO log(k, x) SELECT DISTINCT (CASE 1 WHEN 1 THEN t.id END), max((CASE a WHEN 1 THEN 1 END), (CASE WHEN b THEN 1 END) COLLATE NOCASE) ` +
			`FROM t JOIN end AS q ON (CASE WHEN t.id THEN 1 END), json_each(CASE WHEN NEW.a THEN '[1]' END) ` +
			`WHERE NOT (CASE WHEN b THEN 0 END) AND (CASE b WHEN 1 THEN 1 END) IS NOT DISTINCT FROM (CASE b WHEN 1 THEN 1 END) ` +
			`GROUP BY (CASE WHEN b THEN 1 END), t.id HAVING (CASE WHEN 1 THEN 1 END) ` +
			`ORDER BY (CASE t.id WHEN 1 THEN 1 END) DESC LIMIT (CASE WHEN 1 THEN 2 END) OFFSET (CASE WHEN 1 THEN 0 END) ` +
			`ON CONFLICT(k) WHERE (CASE WHEN 1 THEN 1 END) DO UPDATE SET x = (CASE excluded.x WHEN 1 THEN 2 END) WHERE (CASE WHEN 1 THEN 1 END); ` +
			`SELECT ALL (CASE a WHEN 1 THEN 1 END) LIKE (CASE WHEN 1 THEN 'x' END) ESCAPE (CASE WHEN 1 THEN '!' END), ` +
			`b BETWEEN (CASE WHEN 1 THEN 1 END) AND (CASE WHEN 1 THEN 1 END), -(CASE WHEN 1 THEN 1 END)||(CASE WHEN 1 THEN 1 END), ` +
			`count(DISTINCT (CASE WHEN 1 THEN 1 END)), a IN ((CASE WHEN 1 THEN 1 END), 2), (CASE WHEN 1 THEN 1 END) end, ` +
			`sum(id) FILTER (WHERE (CASE WHEN 1 THEN 1 END)), (CASE WHEN 1 THEN 1 END) NOT IN (SELECT (CASE WHEN 1 THEN 2 END)) FROM t; ` +
			`SELECT sum(id) OVER (PARTITION BY (CASE WHEN b THEN 1 END) ORDER BY id DESC ROWS (CASE WHEN 1 THEN 1 END) PRECEDING) FROM t; ` +
			`VALUES ((CASE WHEN 1 THEN 1 END), 1), (2, (CASE WHEN 1 THEN 1 END)) UNION SELECT (CASE WHEN 1 THEN 1 END), 2; END`,
	},
	{
		name: "comments",
		sql:  "CREATE /* c; */ TRIGGER -- x;\n r AFTER INSERT ON t -- it's \"not\r BEGIN\nBEGIN -- END;\n  /* END; */ SELECT/**/1; -- CASE\n/* ' */END",
		want: "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
	},
	{
		name: "comments_and_semicolon_around",
		sql:  "-- CREATE TRIGGER;\n CREATE TRIGGER r AFTER INSERT ON t begin SELECT 1; end /* of r */ ; -- done",
		want: "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
	},
	{
		name: "comment_is_not_lost_as_separator",
		sql:  "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 'a'/**/'b', 2-/**/-1, 4//**/2, x/**/'00' FROM (SELECT 1 x); END",
		want: "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 'a' 'b', 2- -1, 4/ 2, x '00' FROM (SELECT 1 x); END",
	},
	{
		name: "literals_stay",
		sql:  "create trigger r after insert on t begin insert into log(x) values ('it''s\r\n -- ; begin case\tend /*'), (x'3B0D0A'), (X''), (\"dq\n\"); end",
		want: "create trigger r after insert on t BEGIN insert into log(x) values ('it''s\r\n -- ; begin case\tend /*'), (x'3B0D0A'), (X''), (\"dq\n\"); END",
	},
	{
		name: "quoted_names",
		sql:  "create trigger r after insert on t begin select [end], \"end\", `end`, new.[case], 1 as [END;], 2 `begin  case`, case [end] when \"case\" then `end` else [end]end from t; end",
		want: "create trigger r after insert on t BEGIN select [end], \"end\", `end`, new.[case], 1 as [END;], 2 `begin  case`, (CASE [end] when \"case\" then `end` else [end]END) from t; END",
	},
	{
		name: "bare_end_and_begin_as_names",
		sql:  "create trigger r after update of end, id on begin when old.end or new.end begin select end, id end, new.end begin from begin as end where end in end; end",
		want: "create trigger r after update of end, id on begin when old.end or new.end BEGIN select end, id end, new.end begin from begin as end where end in end; END",
	},
	{
		name: "begin_and_end_everywhere",
		sql:  "create trigger begin after update of begin, end on t for each row when case when new.begin then old.end else new.begin end in end begin select case end when end then end else end end, case begin when begin.end in end then begin.end else end collate binary end end, begin from t begin; end",
		want: "create trigger begin after update of begin, end on t for each row when (CASE when new.begin then old.end else new.begin END) in end BEGIN select (CASE end when end then end else end END), (CASE begin when begin.end in end then begin.end else end collate binary END) end, begin from t begin; END",
	},
	{
		name: "trigger_named_begin_in_front_of_insert",
		sql:  "create trigger begin insert on begin begin insert into end select end from begin; end",
		want: "create trigger begin insert on begin BEGIN insert into end select end from begin; END",
	},
	{
		name: "in_table_named_begin",
		sql:  "create trigger r after insert on t when new.end in main.end begin select 1; end",
		want: "create trigger r after insert on t when new.end in main.end BEGIN select 1; END",
	},
	{
		name: "name_in_parentheses_inside_case",
		sql:  "create trigger r after insert on t begin select case when (select a end from t) then (end) end, case when 1 then a not like like end from t; end",
		want: "create trigger r after insert on t BEGIN select (CASE when (select a end from t) then (end) END), (CASE when 1 then a not like like END) from t; END",
	},
	{
		name: "collation_named_end",
		sql:  "create trigger r after insert on t begin select case when a collate end then b collate end end from t; end",
		want: "create trigger r after insert on t BEGIN select (CASE when a collate end then b collate end END) from t; END",
	},
	{
		name: "operators_as_names",
		sql:  "create trigger r after insert on t begin select case when like like like then like end, case when a not like like then not like end, case when like is not null then rows end, case like when rows then like not null end, case when glob(a, like) then like(a, like) end from t, begin; end",
		want: "create trigger r after insert on t BEGIN select (CASE when like like like then like END), (CASE when a not like like then not like END), (CASE when like is not null then rows END), (CASE like when rows then like not null END), (CASE when glob(a, like) then like(a, like) END) from t, begin; END",
	},
	{
		name: "number_with_a_point_at_the_end",
		sql:  "create trigger r after insert on t begin select case 1. when .5 then 1.5 else 1. end, case 1.e1 when 1.e+1 then 0x1F else 1_0.0_1 end, case when 1 then 2.\nend; end",
		want: "create trigger r after insert on t BEGIN select (CASE 1. when .5 then 1.5 else 1. END), (CASE 1.e1 when 1.e+1 then 0x1F else 1_0.0_1 END), (CASE when 1 then 2. END); END",
	},
	{
		name: "postfix_operators",
		sql:  "create trigger r after insert on t begin select case when a isnull then b notnull end, case when a not null then null end, case when exists (select 1) then not exists (select 1) end, case when 1 then current_date is null end from t; end",
		want: "create trigger r after insert on t BEGIN select (CASE when a isnull then b notnull END), (CASE when a not null then null END), (CASE when exists (select 1) then not exists (select 1) END), (CASE when 1 then current_date is null END) from t; END",
	},
	{
		name: "window_named_end",
		sql:  "create trigger r after insert on t begin select case when 1 then sum(id) over end end, case when 1 then sum(id) filter (where id) over (order by id) end from t window end as (order by id); end",
		want: "create trigger r after insert on t BEGIN select (CASE when 1 then sum(id) over end END), (CASE when 1 then sum(id) filter (where id) over (order by id) END) from t window end as (order by id); END",
	},
	{
		name: "name_that_only_looks_like_a_keyword",
		sql:  "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT caſe, CASE caſe WHEN NEW.caſe THEN caſe END FROM t; END",
		want: "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT caſe, (CASE caſe WHEN NEW.caſe THEN caſe END) FROM t; END",
	},
	{
		name: "instead_of",
		sql:  "CREATE TRIGGER r INSTEAD OF UPDATE OF a, [end] ON v\nBEGIN\n  UPDATE t SET (a, end) = (CASE NEW.a WHEN '' THEN NULL ELSE NEW.a END, 2) WHERE id = OLD.id;\nEND",
		want: "CREATE TRIGGER r INSTEAD OF UPDATE OF a, [end] ON v BEGIN UPDATE t SET (a, end) = ((CASE NEW.a WHEN '' THEN NULL ELSE NEW.a END), 2) WHERE id = OLD.id; END",
	},
	{
		name: "upsert",
		sql:  "CREATE TRIGGER r INSTEAD OF INSERT ON v BEGIN\nINSERT INTO t(id,a) VALUES (NEW.id,NEW.a)\nON CONFLICT(id) DO UPDATE SET a = excluded.a; END",
		want: "CREATE TRIGGER r INSTEAD OF INSERT ON v BEGIN INSERT INTO t(id,a) VALUES (NEW.id,NEW.a) ON CONFLICT(id) DO UPDATE SET a = excluded.a; END",
	},
	{
		name: "full_text_index",
		sql:  "CREATE TRIGGER ft AFTER UPDATE ON notes BEGIN\n  INSERT INTO f(f, rowid, v) VALUES('delete', old.id, old.v);\n  INSERT INTO f(rowid, v) VALUES (new.id, CASE WHEN new.v IS NULL THEN '' ELSE new.v END);\nEND",
		want: "CREATE TRIGGER ft AFTER UPDATE ON notes BEGIN INSERT INTO f(f, rowid, v) VALUES('delete', old.id, old.v); INSERT INTO f(rowid, v) VALUES (new.id, (CASE WHEN new.v IS NULL THEN '' ELSE new.v END)); END",
	},
	{
		name: "temp_and_if_not_exists",
		sql:  "create temp trigger if not exists \"tr;1\" after insert on t begin select 1; end",
		want: "create temp trigger if not exists \"tr;1\" after insert on t BEGIN select 1; END",
	},
	{
		name: "temporary",
		sql:  "create temporary /* t */ trigger [r 1] after insert on main.t begin select 1; end",
		want: "create temporary trigger [r 1] after insert on main.t BEGIN select 1; END",
	},
	{
		name: "explain",
		sql:  "explain\ncreate trigger r after insert on t begin select 1; end",
		want: "explain create trigger r after insert on t BEGIN select 1; END",
	},
	{
		name: "explain_query_plan",
		sql:  "explain query plan create trigger r after insert on t begin select 1; end",
		want: "explain query plan create trigger r after insert on t BEGIN select 1; END",
	},

	{name: "unterminated_body", refused: true, sql: "create trigger r after insert on t begin select 1; select 2;"},
	{name: "unterminated_case", refused: true, sql: "create trigger r after insert on t begin select case when 1 then 2; end"},
	{name: "unterminated_string", refused: true, sql: "create trigger r after insert on t begin select 'a; end"},
	{name: "unterminated_comment", refused: true, sql: "create trigger r after insert on t begin select 1; /* end"},
	{name: "unterminated_parenthesis", refused: true, sql: "create trigger r after insert on t begin select (1; end"},
	{name: "case_ends_outside_its_parenthesis", refused: true, sql: "create trigger r after insert on t begin select (case when 1 then 2) end; end"},
	{name: "two_statements", sql: "create trigger r after insert on t begin select 1; end; select case when 1 then 2 end"},
	{name: "no_begin", refused: true, sql: "create trigger r after insert on t select 1; end"},
	{name: "lone_vertical_tab", refused: true, sql: "create trigger r after insert on t begin select/**/\v1; end"},
	{name: "values_without_parentheses", refused: true, sql: "create trigger r after insert on t begin insert into end values case when 1 then 2 end; end"},
	{name: "row_without_parentheses", refused: true, sql: "create trigger r after insert on t begin insert into end values (1), case when 1 then 2 end; end"},
	{name: "in_without_parentheses", refused: true, sql: "create trigger r after insert on t begin select 1 in case when 1 then 2 end; end"},
	{name: "call_without_parentheses", refused: true, sql: "create trigger r after insert on t begin select abs case when 1 then 2 end; end"},

	{name: "table", sql: "CREATE TABLE k(a INT, -- a comment; it stays\r\n  b AS (case when a then 1 end))"},
	{name: "view", sql: "create view w as\n  select case when 1 then 2 end begin /* end */"},
	{name: "query", sql: "select\tcase when 1 then 2 end -- end"},
	{name: "table_named_trigger", sql: `CREATE TABLE "CREATE TRIGGER"(a);`},
	{name: "drop_trigger", sql: "DROP  TRIGGER IF EXISTS r"},
	{name: "text_about_a_trigger", sql: "INSERT INTO log(x) VALUES ('CREATE TRIGGER r AFTER INSERT ON t begin SELECT 1; end')"},
	{name: "empty", sql: ""},
	{name: "comment", sql: "-- create trigger"},
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, tc := range canonicalCases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			want := tc.want
			if want == "" {
				want = tc.sql
			}
			got, changed := statement.Canonical(tc.sql)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("Canonical() (-want +got):\n%s", diff)
			}
			if changed != (got != tc.sql) {
				t.Errorf("Canonical() changed = %t", changed)
			}
			if changed {
				checkTokens(t, tc.sql, got)
				checkText(t, tc.sql, got)
			}
			setup := triggerSchema
			if strings.Contains(tc.sql, "ON notes") {
				setup = fullText
			}
			compiled, err := compareEffects(t, setup, []string{tc.sql}, []string{got})
			if (err != nil) != tc.refused {
				t.Errorf("SQLite says %v of the statement", err)
			}
			if changed && !compiled && !strings.HasPrefix(tc.name, "explain") {
				t.Error("no statement fires the trigger")
			}
		})
	}
}

// TestCanonicalAsSQLite runs the statements of every case of the splitter as they are
// and as Canonical writes them.
func TestCanonicalAsSQLite(t *testing.T) {
	t.Parallel()
	withTrigger := 0
	for _, tc := range splitterCases(t) {
		if tc.Error != nil {
			continue
		}
		if slices.ContainsFunc(tc.Statements, isTrigger) {
			withTrigger++
		}
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			var canonical []string
			for _, sql := range tc.Statements {
				text, changed := statement.Canonical(sql)
				if changed && !isTrigger(sql) {
					t.Errorf("Canonical() changed %q", sql)
				}
				canonical = append(canonical, text)
			}
			compiled, err := compareEffects(t, tc.Setup, tc.Statements, canonical)
			if err != nil {
				t.Error(err)
			}
			if !compiled && slices.ContainsFunc(tc.Statements, isTrigger) && !strings.HasPrefix(tc.Name, "explain") {
				t.Error("no statement fires the trigger")
			}
		})
	}
	if withTrigger < 15 {
		t.Errorf("%d cases have a trigger, want at least 15", withTrigger)
	}
}

// FuzzCanonical holds that a canonical text has the tokens of the original and a few
// parentheses, and that SQLite compiles both alike or refuses both.
func FuzzCanonical(f *testing.F) {
	for _, tc := range splitterCases(f) {
		f.Add(tc.SQL)
	}
	for _, tc := range canonicalCases {
		f.Add(tc.sql)
	}
	f.Fuzz(func(t *testing.T, src string) {
		src, err := statement.Text([]byte(src))
		if err != nil {
			t.Skip("not SQL text")
		}
		for _, s := range statement.Split(src) {
			text, changed := statement.Canonical(s.SQL)
			if changed != (text != s.SQL) || changed && !isTrigger(s.SQL) {
				t.Errorf("Canonical(%q) = %q, %t", s.SQL, text, changed)
			}
			if !changed {
				continue
			}
			checkTokens(t, s.SQL, text)
			var programs [2][]string
			accepted := false
			for i, sql := range []string{s.SQL, text} {
				conn := triggerDatabase(t, triggerSchema)
				conn.Limit(sqlite3.LIMIT_EXPR_DEPTH, 100) // as D1: then no text is too deep for the parser
				if accepted = conn.Exec(sql) == nil; !accepted {
					programs[i] = []string{"refused"}
					continue
				}
				for _, sql := range firing(t, conn) {
					programs[i] = append(programs[i], program(conn, sql)...)
				}
			}
			if diff := cmp.Diff(programs[0], programs[1]); diff != "" {
				t.Errorf("programs of %q and its canonical text %q (-original +canonical):\n%s", s.SQL, text, diff)
			}
			if accepted {
				checkText(t, s.SQL, text)
			}
		}
	})
}

func isTrigger(sql string) bool {
	words := statement.Normalize(sql)
	return slices.Contains(words[:min(6, len(words))], "trigger")
}

// checkTokens compares the tokens of a trigger with those of its canonical text, in
// which each CASE … END may have a pair of parentheses more.
func checkTokens(t *testing.T, sql, text string) {
	t.Helper()
	if again, changed := statement.Canonical(text); changed {
		t.Errorf("Canonical() twice of %q (-once +twice):\n%s", sql, cmp.Diff(text, again))
	}
	if pieces := statement.Split(text); len(pieces) != 1 || pieces[0].SQL != text {
		t.Errorf("Canonical(%q) = %q, which Split cuts into %v", sql, text, pieces)
	}
	var (
		rest    = statement.Normalize(sql)
		list    = statement.Normalize(text)
		opened  int
		closing bool // behind the end of a CASE and only parentheses
	)
	for i, token := range list {
		closing = token == "end" || closing && token == ")"
		switch {
		case len(rest) > 0 && rest[0] == token:
			rest = rest[1:]
		case token == "(" && i+1 < len(list) && list[i+1] == "case":
			opened++
		case token == ")" && closing:
			opened--
		default:
			t.Fatalf("Canonical(%q) = %q, which has a %q of its own", sql, text, token)
		}
	}
	for len(rest) > 0 && rest[0] == ";" { // the statement's terminator
		rest = rest[1:]
	}
	if opened != 0 || len(rest) > 0 {
		t.Errorf("Canonical(%q) = %q, which leaves %d parentheses open and %q out", sql, text, opened, rest)
	}
}

var quotedOrComment = regexp.MustCompile("'[^']*'|\"[^\"]*\"|`[^`]*`|\\[[^]]*]|--[^\n]*|/\\*(?s:.*?)(?:\\*/|$)")

// checkText checks how the canonical text of a trigger that SQLite accepts is written.
func checkText(t *testing.T, sql, text string) {
	t.Helper()
	isComment := func(token string) bool { return strings.ContainsAny(token[:1], "-/") }
	quoted := func(s string) []string {
		return slices.DeleteFunc(append([]string{}, quotedOrComment.FindAllString(s, -1)...), isComment)
	}
	if diff := cmp.Diff(quoted(sql), quoted(text)); diff != "" {
		t.Errorf("literals and quoted names of %q and its canonical text (-original +canonical):\n%s", sql, diff)
	}
	bare := quotedOrComment.ReplaceAllStringFunc(text, func(token string) string {
		if isComment(token) {
			return token
		}
		return "''"
	})
	for _, unwanted := range []string{"\t", "\n", "\v", "\f", "\r", "\ufeff", "  ", "--", "/*", "( CASE"} {
		if strings.Contains(bare, unwanted) {
			t.Errorf("Canonical(%q) = %q, with %q outside literals and quoted names", sql, text, unwanted)
		}
	}
	if !strings.HasSuffix(bare, "; END") || !strings.Contains(bare, " BEGIN ") {
		t.Errorf("Canonical(%q) = %q, want BEGIN and END in capitals between spaces", sql, text)
	}
}

// compareEffects runs the two versions of a list of statements, each in a database of its
// own, and compares what SQLite accepts, the programs of statements that fire triggers,
// and the rows after these. It reports whether SQLite compiled a trigger, and its error if
// it refused both versions.
func compareEffects(t *testing.T, setup, original, canonical []string) (compiled bool, err error) {
	t.Helper()
	a, b := triggerDatabase(t, setup), triggerDatabase(t, setup)
	for i := range original {
		errA, errB := a.Exec(original[i]), b.Exec(canonical[i])
		if (errA == nil) != (errB == nil) {
			t.Fatalf("SQLite says %v of %q, but %v of %q", errA, original[i], errB, canonical[i])
		}
		err = errors.Join(err, errA)
	}
	statements := firing(t, a)
	want, got := transcript(t, a, statements), transcript(t, b, statements)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("effects of %q and %q (-original +canonical):\n%s", original, canonical, diff)
	}
	return slices.ContainsFunc(want, func(line string) bool {
		return strings.HasPrefix(line, "0 Init ") && strings.Contains(line, "-- TRIGGER ")
	}), err
}

// triggerDatabase opens a database with a collation named end, in which the given
// statements have run.
func triggerDatabase(t *testing.T, setup []string) *sqlite3.Conn {
	t.Helper()
	conn := open(t)
	if err := errors.Join(fts5.Register(conn), conn.CreateCollation("end", bytes.Compare)); err != nil {
		t.Fatal(err)
	}
	for _, sql := range setup {
		if err := conn.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// firing returns statements that insert into, update and delete from every table and
// view of conn that has a trigger.
func firing(t *testing.T, conn *sqlite3.Conn) []string {
	t.Helper()
	var statements []string
	for _, name := range rows(t, conn, "SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger' UNION SELECT tbl_name FROM sqlite_temp_schema WHERE type = 'trigger'") {
		var columns, values, same []string
		for _, column := range rows(t, conn, "SELECT name FROM pragma_table_xinfo('"+strings.ReplaceAll(name, "'", "''")+"') WHERE hidden = 0") {
			column := `"` + strings.ReplaceAll(column, `"`, `""`) + `"`
			columns = append(columns, column)
			values = append(values, []string{"%d", "'end; %d'", "1.5 + %d", "NULL"}[len(values)%4])
			same = append(same, column+" = "+column)
		}
		name = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		insert := " INTO " + name + "(" + strings.Join(columns, ", ") + ") VALUES (" + strings.ReplaceAll(strings.Join(values, ", "), "%d", "%[1]d") + ")"
		statements = append(statements,
			fmt.Sprintf("INSERT"+insert, 10), fmt.Sprintf("INSERT"+insert, 11), fmt.Sprintf("REPLACE"+insert, 1),
			"UPDATE "+name+" SET "+strings.Join(same, ", "),
			fmt.Sprintf("UPDATE %s SET %s = 2 WHERE %s = 10", name, columns[len(columns)-1], columns[0]),
			fmt.Sprintf("DELETE FROM %s WHERE %s = 1", name, columns[0]), "DELETE FROM "+name)
		for _, s := range same {
			statements = append(statements, "UPDATE "+name+" SET "+s)
		}
	}
	return statements
}

// transcript runs statements and returns their programs, their errors and all rows.
func transcript(t *testing.T, conn *sqlite3.Conn, statements []string) []string {
	t.Helper()
	var list []string
	for _, sql := range statements {
		list = append(list, program(conn, sql)...)
		if err := conn.Exec(sql); err != nil {
			list = append(list, err.Error())
		}
		for _, name := range rows(t, conn, "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name") {
			list = append(list, rows(t, conn, `SELECT * FROM "`+strings.ReplaceAll(name, `"`, `""`)+`"`)...)
		}
	}
	return list
}

// program returns the program of a statement and of the triggers that it fires, or why
// there is none. It leaves out what isn't executed: the text that a trace would show, and
// the address of a virtual table.
func program(conn *sqlite3.Conn, sql string) []string {
	stmt, _, err := conn.Prepare("EXPLAIN " + sql)
	if err != nil {
		return []string{sql, err.Error()}
	}
	defer stmt.Close()
	list := []string{sql}
	for stmt.Step() {
		operand := stmt.ColumnText(5)
		if stmt.ColumnText(1) == "Trace" || strings.HasPrefix(operand, "vtab:") {
			operand = ""
		}
		list = append(list, fmt.Sprintf("%d %s %d %d %d %q %d", stmt.ColumnInt(0), stmt.ColumnText(1), stmt.ColumnInt(2), stmt.ColumnInt(3), stmt.ColumnInt(4), operand, stmt.ColumnInt(6)))
	}
	if err := stmt.Err(); err != nil {
		list = append(list, err.Error())
	}
	return list
}

// rows returns the rows of a query, each with its types and values in one string.
func rows(t *testing.T, conn *sqlite3.Conn, sql string) []string {
	t.Helper()
	stmt, _, err := conn.Prepare(sql)
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	var list []string
	for stmt.Step() {
		var row []string
		for i := range stmt.ColumnCount() {
			value := stmt.ColumnText(i)
			if kind := stmt.ColumnType(i); kind != sqlite3.TEXT {
				value = kind.String() + " " + value
			}
			row = append(row, value)
		}
		list = append(list, strings.Join(row, " | "))
	}
	if err := stmt.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
