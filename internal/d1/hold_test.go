package d1_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// epoch is what a model of the database remembers of one state that can be gone back to.
type epoch struct {
	bookmark string
	ledger   []string
	hold     map[string]string // name to content
	content  map[string]string // of what is applied
}

// holding is what is held in e, given the files: nothing if one of them has changed or gone.
func (e epoch) holding(files map[string]string) []string {
	var held []string
	for name, content := range e.hold {
		if files[name] != content {
			return nil
		}
		held = append(held, name)
	}
	slices.Sort(held)
	return held
}

// checkout has the files as a migrations directory.
func checkout(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return fsys
}

// TestHoldOfRandomLives lets developers migrate, restore, fix, delete and add files at random,
// and holds what is held against a model that is as short as the contract.
func TestHoldOfRandomLives(t *testing.T) {
	t.Parallel()
	lives := 60
	if testing.Short() {
		lives = 15
	}
	for seed := range uint64(lives) {
		t.Run(fmt.Sprint("seed_", seed), func(t *testing.T) { live(t, seed) })
	}
}

func live(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 3))
	s := d1test.New()
	defer s.Close()
	database := s.Create("prod")
	files := map[string]string{}
	added := 0
	add := func() {
		added++
		files[fmt.Sprintf("%04d_m.sql", added)] = fmt.Sprintf("CREATE TABLE t%d (x)", added)
	}
	for range 4 {
		add()
	}
	now := epoch{bookmark: database.History()[0].Bookmark, content: map[string]string{}}
	past := []epoch{now}
	var story []string
	bookmark := func() string { history := database.History(); return history[len(history)-1].Bookmark }
	for range 20 {
		names := slices.Sorted(maps.Keys(files))
		engine := &migration.Engine{Environment: client(s).Database(database.ID, "auto"), Directory: migration.Directory{FS: checkout(files), Pattern: "*.sql", Display: "migrations"},
			Table: "d1_migrations", Journal: true, Now: time.Now, Sleep: noSleep}
		pick := func() string {
			from := names
			if held := now.holding(files); len(held) > 0 && random.IntN(3) > 0 { // where it matters most
				from = held
			}
			return from[random.IntN(len(from))]
		}
		switch act := random.IntN(10); {
		case act < 3:
			o := migration.MigrateOptions{ReleaseHold: random.IntN(4) == 0}
			if random.IntN(2) == 0 {
				o.To = pick()
			}
			story = append(story, fmt.Sprintf("migrate %+v", o))
			next := epoch{ledger: slices.Clone(now.ledger), content: maps.Clone(now.content)}
			held, refused := now.holding(files), false
			for _, name := range names {
				if slices.Contains(now.ledger, name) || o.To != "" && name > o.To {
					continue
				}
				refused = refused || slices.Contains(held, name) && !o.ReleaseHold
				next.ledger = append(next.ledger, name)
				next.content[name] = files[name]
			}
			if len(held) > 0 && !o.ReleaseHold {
				next.hold = now.hold
			}
			result, err := engine.Migrate(t.Context(), o)
			if got := result.Status == migration.Refusal; got != refused || err != nil && !refused {
				t.Fatalf("%s: Migrate() = %s, %v, but held is %v", strings.Join(story, "; "), result.Status, err, held)
			}
			if refused || len(next.ledger) == len(now.ledger) { // nothing was written
				break
			}
			next.bookmark = bookmark()
			now = next
			past = append(past, now)
		case act < 6:
			target := past[random.IntN(len(past))]
			story = append(story, fmt.Sprintf("restore to %v", target.ledger))
			result, err := engine.Restore(t.Context(), migration.RestoreOptions{Bookmark: migration.Bookmark(target.bookmark)})
			if err != nil {
				t.Fatalf("%s: Restore() = %v", strings.Join(story, "; "), err)
			}
			if target.bookmark == now.bookmark {
				break
			}
			next := epoch{bookmark: bookmark(), ledger: target.ledger, content: target.content, hold: map[string]string{}}
			for _, name := range now.holding(files) {
				next.hold[name] = now.hold[name]
			}
			for _, name := range now.ledger {
				if _, known := next.hold[name]; !known {
					next.hold[name] = now.content[name]
				}
			}
			for _, name := range next.ledger {
				delete(next.hold, name)
			}
			var holding []string
			for _, f := range result.Holding {
				holding = append(holding, f.Name)
			}
			slices.Sort(holding)
			if diff := cmp.Diff(next.holding(files), holding); diff != "" {
				t.Fatalf("%s: Restore() holds (-want +got):\n%s", strings.Join(story, "; "), diff)
			}
			now = next
			past = append(past, now)
		case act < 8:
			name := pick()
			story = append(story, "fix "+name)
			table, _, _ := strings.Cut(files[name], " --")
			files[name] = fmt.Sprintf("%s -- %d", table, random.IntN(1000))
		case act < 9 && len(files) > 1:
			name := pick()
			story = append(story, "delete "+name)
			delete(files, name)
		default:
			story = append(story, "add a file")
			add()
		}
		engine.Directory.FS = checkout(files)
		result, _ := engine.Status(t.Context(), migration.StatusOptions{})
		held := slices.Clone(result.Comparison.Held)
		slices.Sort(held)
		if diff := cmp.Diff(now.holding(files), held); diff != "" {
			t.Fatalf("%s: held (-want +got):\n%s", strings.Join(story, "; "), diff)
		}
		got := database.Rows("SELECT name FROM d1_migrations ORDER BY name")
		want := slices.Sorted(slices.Values(now.ledger))
		if diff := cmp.Diff(want, got); diff != "" && len(want) > 0 {
			t.Fatalf("%s: ledger (-want +got):\n%s", strings.Join(story, "; "), diff)
		}
	}
}
