package rehearsal_test

import (
	"testing"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/rehearsal"
)

// What D1 takes is refused neither on all rows nor on single ones, and nothing bad is said of it.
func TestTaken(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, schema, rows, sql string }{
		{"seed_fk_subquery",
			`CREATE TABLE r(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE u(id INTEGER PRIMARY KEY, role_id INTEGER NOT NULL REFERENCES r(id), email TEXT)`,
			`INSERT INTO r VALUES (1,'a'),(2,'admin'),(3,'c'); INSERT INTO u VALUES (1,3,'x'),(2,1,'y')`,
			`INSERT INTO u(role_id,email) VALUES ((SELECT id FROM r WHERE name='admin'),'new');`},
		{"seed_subquery_of_table_made_in_same_run_from_join",
			`CREATE TABLE r(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE u(id INTEGER PRIMARY KEY, role_id INTEGER NOT NULL REFERENCES r(id), email TEXT)`,
			`INSERT INTO r VALUES (1,'a'),(2,'admin'),(3,'c'); INSERT INTO u VALUES (1,3,'x'),(2,1,'y')`,
			`CREATE TABLE perms(id INTEGER PRIMARY KEY, role INTEGER NOT NULL, who TEXT);
INSERT INTO perms(role, who) SELECT r.id, u.email FROM r LEFT JOIN u ON u.role_id = r.id;
CREATE TABLE audit(id INTEGER PRIMARY KEY, perm INTEGER NOT NULL REFERENCES perms(id));
INSERT INTO audit(perm) VALUES ((SELECT id FROM perms WHERE role = 2));
INSERT INTO audit(perm) VALUES (3);`},
		{"insert_into_copied_table_then_fk_to_it",
			`CREATE TABLE r(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)`,
			`INSERT INTO r VALUES (1,'a'),(2,'admin'),(3,'c')`,
			`CREATE TABLE r2(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO r2 SELECT * FROM r;
CREATE TABLE c(id INTEGER PRIMARY KEY, r2 INTEGER NOT NULL REFERENCES r2(id));
INSERT INTO c(r2) VALUES (3);`},
		{"raise_trigger_guards_count",
			`CREATE TABLE r(id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE log(id INTEGER PRIMARY KEY, t TEXT);
CREATE TRIGGER g BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'need two') WHERE (SELECT count(*) FROM r) < 2; END`,
			`INSERT INTO r VALUES (1,'a'),(2,'b')`,
			`INSERT INTO log(t) VALUES ('x');`},
		{"check_failing_due_sample",
			`CREATE TABLE conf(id INTEGER PRIMARY KEY CHECK (id IN (1,2)), v TEXT)`,
			`INSERT INTO conf VALUES (1,'a'),(2,'b')`,
			`CREATE TABLE c2(n INTEGER CHECK (n >= 2));
INSERT INTO c2 SELECT count(*) FROM conf;`},
		{"aggregated_then_dependent_via_not-judged",
			`CREATE TABLE conf(id INTEGER PRIMARY KEY, v TEXT)`,
			`INSERT INTO conf VALUES (1,'a'),(2,'b')`,
			`CREATE TABLE c2(n INTEGER PRIMARY KEY, m INTEGER CHECK (m >= 2));
INSERT INTO c2 SELECT 1, count(*) FROM conf;
CREATE TABLE c3(n INTEGER NOT NULL);
INSERT INTO c3 SELECT (SELECT n FROM c2);
CREATE TABLE c4(n INTEGER NOT NULL REFERENCES c2(n));
INSERT INTO c4 VALUES (1);
UPDATE c4 SET n = (SELECT n FROM c2);`},
		{"not_null_from_two_tables",
			`CREATE TABLE a(id INTEGER PRIMARY KEY, b INTEGER);
CREATE TABLE b(id INTEGER PRIMARY KEY, v TEXT NOT NULL)`,
			`INSERT INTO a VALUES (1,2),(2,1); INSERT INTO b VALUES (1,'x'),(2,'y')`,
			`ALTER TABLE a ADD COLUMN v TEXT NOT NULL DEFAULT '';
UPDATE a SET v = (SELECT v FROM b WHERE b.id = a.b);`},
		{"not_null_from_fixed_lookup_in_one_table",
			`CREATE TABLE a(id INTEGER PRIMARY KEY, b INTEGER);
CREATE TABLE b(id INTEGER PRIMARY KEY, v TEXT NOT NULL)`,
			`INSERT INTO a VALUES (1,2),(2,1); INSERT INTO b VALUES (1,'x'),(2,'y')`,
			`CREATE TABLE n(v TEXT NOT NULL);
INSERT INTO n VALUES ((SELECT v FROM b WHERE id = 2));`},
		{"not_null_from_a_self_lookup_second_instance_of_the_table",
			`CREATE TABLE a(id INTEGER PRIMARY KEY, parent INTEGER, v TEXT)`,
			`INSERT INTO a VALUES (1,2,'x'),(2,NULL,'y')`,
			`CREATE TABLE n(v TEXT NOT NULL, w TEXT NOT NULL);
INSERT INTO n SELECT c.v, (SELECT p.v FROM a p WHERE p.id = c.parent) FROM a c WHERE c.parent IS NOT NULL;`},
		{"max_over_rows_check",
			`CREATE TABLE a(id INTEGER PRIMARY KEY, v INTEGER)`,
			`INSERT INTO a VALUES (1,2),(2,100)`,
			`CREATE TABLE n(v INTEGER CHECK (v > 50));
INSERT INTO n SELECT max(v) FROM a;`},
		{"sum_of_all",
			`CREATE TABLE a(id INTEGER PRIMARY KEY, v INTEGER)`,
			`INSERT INTO a VALUES (1,2),(2,100)`,
			`CREATE TABLE n(v INTEGER CHECK (v > 50));
INSERT INTO n SELECT sum(v) FROM a;`},
		{"trigger_that_updates_totals",
			`CREATE TABLE acc(id INTEGER PRIMARY KEY, total INTEGER NOT NULL CHECK (total >= 0));
CREATE TABLE mov(id INTEGER PRIMARY KEY, acc INTEGER NOT NULL REFERENCES acc(id), amt INTEGER NOT NULL);
CREATE TRIGGER m AFTER INSERT ON mov BEGIN UPDATE acc SET total = (SELECT sum(amt) FROM mov WHERE acc = new.acc) WHERE id = new.acc; END`,
			`INSERT INTO acc VALUES (1,0),(2,0); INSERT INTO mov VALUES (1,1,5),(2,1,10),(3,2,4)`,
			`INSERT INTO mov(acc,amt) VALUES (1,-12);`},
		{"pk_collision_avoided_by_delete_of_other_row",
			`CREATE TABLE a(id INTEGER PRIMARY KEY, v INTEGER UNIQUE)`,
			`INSERT INTO a VALUES (1,2),(2,100)`,
			`INSERT INTO a SELECT max(id)+1, max(v)+1 FROM a;`},
		{"unique_offset_by_count",
			`CREATE TABLE a(id INTEGER PRIMARY KEY, v INTEGER UNIQUE)`,
			`INSERT INTO a VALUES (5,1),(6,2)`,
			`INSERT INTO a(v) SELECT (SELECT count(*) FROM a) + 1;`},
		{"seed_fk_to_seeded_by_earlier_migration",
			`CREATE TABLE a(id INTEGER PRIMARY KEY, v TEXT);
CREATE TABLE b(id INTEGER PRIMARY KEY, a INTEGER NOT NULL REFERENCES a(id), v TEXT)`,
			`INSERT INTO a VALUES (1,'q'),(2,'w'),(3,'e')`,
			`INSERT INTO a(id, v) SELECT 4, v FROM a WHERE id = 3;
INSERT INTO b(a,v) VALUES (4,'x');`},
		{"update_fk_to_other_parent",
			`CREATE TABLE a(id INTEGER PRIMARY KEY, v TEXT);
CREATE TABLE b(id INTEGER PRIMARY KEY, a INTEGER NOT NULL REFERENCES a(id), v TEXT)`,
			`INSERT INTO a VALUES (1,'q'),(2,'w'),(3,'e'); INSERT INTO b VALUES (1,1,'z'),(2,2,'y')`,
			`UPDATE b SET a = 3 WHERE a < 9;
DELETE FROM a WHERE id = 1;`},
		{"update_fk_to_other_parent_then_drop_and_rebuild",
			`CREATE TABLE a(id INTEGER PRIMARY KEY, v TEXT);
CREATE TABLE b(id INTEGER PRIMARY KEY, a INTEGER NOT NULL REFERENCES a(id), v TEXT)`,
			`INSERT INTO a VALUES (1,'q'),(2,'w'),(3,'e'); INSERT INTO b VALUES (1,1,'z'),(2,2,'y')`,
			`PRAGMA defer_foreign_keys=ON;
CREATE TABLE a_new(id INTEGER PRIMARY KEY, v TEXT, x INTEGER);
INSERT INTO a_new(id,v) SELECT id, v FROM a;
DROP TABLE a;
ALTER TABLE a_new RENAME TO a;
INSERT INTO b(a,v) VALUES (2,'k');
PRAGMA defer_foreign_keys=OFF;
INSERT INTO b(a,v) VALUES (3,'k');`},
		{"composite",
			`CREATE TABLE a(x INTEGER, y TEXT, v TEXT, PRIMARY KEY(x,y)) WITHOUT ROWID;
CREATE TABLE b(id INTEGER PRIMARY KEY, x INTEGER, y TEXT, FOREIGN KEY(x,y) REFERENCES a ON DELETE CASCADE)`,
			`INSERT INTO a VALUES (1,'q','1'),(2,'w','2'),(3,'e','3'); INSERT INTO b VALUES (1,2,'w'),(2,NULL,'q')`,
			`INSERT INTO b VALUES (3,3,'e');
INSERT INTO a VALUES (3,'f','9');
INSERT INTO b VALUES (4,3,'f');
UPDATE b SET x = 1, y = 'q' WHERE id = 1;`},
		{"self_reference_and_cycle",
			`CREATE TABLE t(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t(id) ON DELETE CASCADE, name TEXT NOT NULL);
CREATE TABLE x(id INTEGER PRIMARY KEY, y INTEGER REFERENCES y(id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE y(id INTEGER PRIMARY KEY, x INTEGER REFERENCES x(id) DEFERRABLE INITIALLY DEFERRED)`,
			`INSERT INTO t VALUES (1,NULL,'a'),(2,1,'b'),(3,2,'c'); INSERT INTO x VALUES (1,1),(2,2); INSERT INTO y VALUES (1,1),(2,2)`,
			`INSERT INTO t(parent,name) VALUES (3,'d');
INSERT INTO t(parent,name) SELECT id, 'e' FROM t WHERE name='c';
INSERT INTO x VALUES (9,9);
INSERT INTO y VALUES (9,2);
UPDATE t SET parent = 2 WHERE id = 3;`},
		{"fts5_external_content_with_sync_triggers",
			`CREATE TABLE posts(id INTEGER PRIMARY KEY, title TEXT, body TEXT);
CREATE VIRTUAL TABLE posts_fts USING fts5(title, body, content='posts', content_rowid='id');
CREATE TRIGGER posts_ai AFTER INSERT ON posts BEGIN INSERT INTO posts_fts(rowid,title,body) VALUES (new.id,new.title,new.body); END;
CREATE TRIGGER posts_ad AFTER DELETE ON posts BEGIN INSERT INTO posts_fts(posts_fts,rowid,title,body) VALUES ('delete',old.id,old.title,old.body); END;
CREATE TRIGGER posts_au AFTER UPDATE ON posts BEGIN INSERT INTO posts_fts(posts_fts,rowid,title,body) VALUES ('delete',old.id,old.title,old.body); INSERT INTO posts_fts(rowid,title,body) VALUES (new.id,new.title,new.body); END`,
			`INSERT INTO posts VALUES (1,'a','b'),(2,'c','d'),(3,'e','f')`,
			`INSERT INTO posts(title,body) VALUES ('x','y');
UPDATE posts SET title = 'z' WHERE id = 2;
DELETE FROM posts WHERE id = 3;
INSERT INTO posts_fts(posts_fts) VALUES ('rebuild');
INSERT INTO posts_fts(posts_fts) VALUES ('integrity-check');
ALTER TABLE posts ADD COLUMN slug TEXT;
UPDATE posts SET slug = lower(title) WHERE slug IS NULL;`},
		{"fts5_contentless",
			`CREATE TABLE posts(id INTEGER PRIMARY KEY, title TEXT);
CREATE VIRTUAL TABLE f USING fts5(title, content='', contentless_delete=1);
CREATE TRIGGER posts_ai AFTER INSERT ON posts BEGIN INSERT INTO f(rowid,title) VALUES (new.id,new.title); END;
CREATE TRIGGER posts_ad AFTER DELETE ON posts BEGIN DELETE FROM f WHERE rowid=old.id; END`,
			`INSERT INTO posts VALUES (1,'a'),(2,'c'),(3,'e')`,
			`INSERT INTO posts(title) VALUES ('x');
DELETE FROM posts WHERE id = 3;
CREATE TABLE hits(id INTEGER PRIMARY KEY, post INTEGER NOT NULL);
INSERT INTO hits(post) VALUES ((SELECT rowid FROM f WHERE f MATCH 'a'));`},
		{"rtree",
			`CREATE VIRTUAL TABLE geo USING rtree(id, minx, maxx, miny, maxy);
CREATE TABLE places(id INTEGER PRIMARY KEY, name TEXT NOT NULL)`,
			`INSERT INTO places VALUES (1,'a'),(2,'b'); INSERT INTO geo VALUES (1,0,1,0,1),(2,2,3,2,3)`,
			`INSERT INTO geo VALUES (3,0,1,0,1);
CREATE TABLE boxes(id INTEGER PRIMARY KEY, minx REAL NOT NULL);
INSERT INTO boxes SELECT id, minx FROM geo;
INSERT INTO boxes VALUES (9, (SELECT minx FROM geo WHERE id = 2));
UPDATE geo SET maxx = 9 WHERE id = 1;
DELETE FROM geo WHERE id = 2;`},
		{"without_rowid_strict_generated",
			`CREATE TABLE s(k TEXT PRIMARY KEY, v INTEGER NOT NULL, g INTEGER GENERATED ALWAYS AS (v*2) STORED, h TEXT AS (upper(k))) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX sg ON s(g)`,
			`INSERT INTO s(k,v) VALUES ('a',1),('b',2),('c',3)`,
			`INSERT INTO s(k,v) VALUES ('d',4) ON CONFLICT(k) DO UPDATE SET v = excluded.v;
UPDATE s SET v = v + 10 WHERE k = 'b';
ALTER TABLE s ADD COLUMN z TEXT DEFAULT 'q';
CREATE TABLE s2 AS SELECT * FROM s;`},
		{"instead_of_triggers",
			`CREATE TABLE base(id INTEGER PRIMARY KEY, a TEXT NOT NULL);
CREATE VIEW v AS SELECT id, a FROM base;
CREATE VIEW vv AS SELECT * FROM v WHERE id > 1;
CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN INSERT INTO base VALUES (new.id, new.a); END;
CREATE TRIGGER vu INSTEAD OF UPDATE ON v BEGIN UPDATE base SET a = new.a WHERE id = old.id; END`,
			`INSERT INTO base VALUES (1,'x'),(2,'y')`,
			`INSERT INTO v VALUES (5,'k');
UPDATE v SET a = 'm';
CREATE TABLE n(a TEXT NOT NULL);
INSERT INTO n SELECT a FROM vv;
INSERT INTO n VALUES ((SELECT a FROM vv LIMIT 1));`},
		{"shadow_rowid",
			`CREATE TABLE r(rowid TEXT, _rowid_ TEXT, oid TEXT, v TEXT);
CREATE TABLE r2(rowid TEXT PRIMARY KEY, v TEXT)`,
			`INSERT INTO r VALUES ('a','b','c','d'),('e','f','g','h'); INSERT INTO r2 VALUES ('q','w'),('e','r')`,
			`UPDATE r SET v = 'x' WHERE rowid = 'e';
UPDATE r2 SET v = 'x' WHERE rowid = 'e';
CREATE TABLE n(v TEXT NOT NULL);
INSERT INTO n VALUES ((SELECT v FROM r WHERE oid = 'g'));
INSERT INTO n VALUES ((SELECT v FROM r2 WHERE rowid = 'e'));`},
		{"ledgers_of_others",
			`CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL);
CREATE TABLE __drizzle_migrations(id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric);
CREATE TABLE _prisma_migrations(id TEXT PRIMARY KEY NOT NULL, checksum TEXT NOT NULL, finished_at DATETIME, migration_name TEXT NOT NULL, logs TEXT, rolled_back_at DATETIME, started_at DATETIME NOT NULL DEFAULT current_timestamp, applied_steps_count INTEGER UNSIGNED NOT NULL DEFAULT 0)`,
			`INSERT INTO d1_migrations(name) VALUES ('0001_a.sql'),('0000_b.sql'); INSERT INTO __drizzle_migrations VALUES (1,'a',1),(2,'b',2)`,
			`CREATE TABLE n(v TEXT NOT NULL);
INSERT INTO n VALUES ((SELECT name FROM d1_migrations WHERE id = 2));
INSERT INTO n SELECT hash FROM __drizzle_migrations;
DELETE FROM __drizzle_migrations WHERE id = 1;`},
		{"sqlite_sequence",
			`CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT)`,
			`INSERT INTO a(v) VALUES ('x'),('y'),('z')`,
			`CREATE TABLE n(v INTEGER NOT NULL);
INSERT INTO n VALUES ((SELECT seq FROM sqlite_sequence WHERE name = 'a'));
UPDATE sqlite_sequence SET seq = 1000 WHERE name = 'a';
INSERT INTO a(v) VALUES ('k');
INSERT INTO n SELECT seq FROM sqlite_sequence WHERE name = 'a' AND seq > 1000;`},
		{"last_insert_rowid",
			`CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT UNIQUE);
CREATE TABLE b(id INTEGER PRIMARY KEY, a INTEGER NOT NULL REFERENCES a(id))`,
			`INSERT INTO a(v) VALUES ('x'),('y'),('z'); INSERT INTO b VALUES (1,2)`,
			`INSERT INTO a(v) VALUES ('new');
INSERT INTO b(a) VALUES (last_insert_rowid());
INSERT INTO a(v) SELECT v || '2' FROM a;
INSERT INTO b(a) SELECT max(id) FROM a;
INSERT OR IGNORE INTO a(v) VALUES ('x');
INSERT INTO b(a) VALUES ((SELECT id FROM a WHERE v = 'x'));
INSERT INTO b(a) SELECT id FROM a WHERE v IN ('y','z');`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, tc.schema, tc.rows, tc.sql)
			o := rehearsal.Options{Limit: 1 << 30, Progress: func(string) {}, Patience: 10 * time.Second}
			for name, try := range map[string]attempt{"all rows": rehearsal.Local(p.database, o), "one row": rehearsal.Remote(p.database, o)} {
				r, err := try(t.Context(), p.plan)
				if err != nil || !r.Ran {
					t.Errorf("on %s: %v %s", name, err, r.Reason)
				}
				for _, h := range r.Hazards {
					if h.Severity != migration.SeverityInfo {
						t.Errorf("on %s: %s %s:%d %s", name, h.Code, h.File, h.Line, h.Message)
					}
				}
			}
			if err := p.database.Apply(t.Context(), p.plan.Batch); err != nil {
				t.Errorf("really: %v", err)
			}
		})
	}
}
