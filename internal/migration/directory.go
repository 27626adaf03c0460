package migration

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// Migration is one file of the migrations directory.
type Migration struct {
	Name       string // path relative to the directory, with slashes; the ledger's key
	SHA256     string // of the content with line endings normalised, in hex
	Statements []statement.Statement

	allowances  []allowance
	openComment int // the line of a comment that nothing ends; 0 if there is none
}

// Directory is where migrations are read from.
type Directory struct {
	FS      fs.FS  // rooted at the migrations directory
	Pattern string // relative to FS; "*.sql" unless configured
	Display string // how messages name the directory
}

// Read returns the migrations in the order in which wrangler applies them. As wrangler
// does (getD1MigrationFiles in packages/workers-utils/src/d1-migrations.ts), it leaves out
// hidden files and whatever is not a regular file, symbolic links included.
// Every error is a *Problem of kind Usage.
func (d Directory) Read() ([]Migration, error) {
	switch info, err := fs.Stat(d.FS, "."); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, d.unlisted(err)
	case err == nil && !info.IsDir():
		return nil, usage("name a directory with --migrations-dir, or migrations_dir in the configuration", "%q is not a directory", d.Display)
	case err != nil:
		return nil, usage("make it (the create command does so with its first file), or name another one with --migrations-dir",
			"there is no migrations directory %q", d.Display)
	}
	names, err := d.match(d.Pattern)
	if err != nil {
		return nil, d.unlisted(err)
	}
	if len(names) == 0 {
		next := "write one: d1-rewind create NAME"
		if nested, err := d.match("*/migration.sql"); err == nil && len(nested) > 0 {
			next = fmt.Sprintf(`there are files such as %q: set "migrations_pattern": "<migrations_dir>/*/migration.sql" in the configuration`, nested[0])
		}
		return nil, usage(next, "the migrations directory %q has no files that match %q", d.Display, d.Pattern)
	}
	migrations := make([]Migration, 0, len(names))
	for _, name := range names {
		data, err := fs.ReadFile(d.FS, name)
		if err != nil {
			return nil, unreadable(name, 0, err)
		}
		m, err := Parse(name, data)
		if err != nil {
			return nil, err
		}
		migrations = append(migrations, m)
	}
	return migrations, nil
}

// Parse cuts the content of one migration file into statements. The error is a *Problem
// of kind Usage for bytes that are not SQL text.
func Parse(name string, data []byte) (Migration, error) {
	text, err := statement.Text(data)
	if err != nil {
		line := 0
		if textErr, ok := errors.AsType[*statement.TextError](err); ok {
			line, err = textErr.Line, errors.New(textErr.Problem)
		}
		return Migration{}, unreadable(name, line, err)
	}
	sum := sha256.Sum256([]byte(strings.ReplaceAll(text, "\r\n", "\n")))
	m := Migration{Name: name, SHA256: hex.EncodeToString(sum[:]), Statements: statement.Split(text)}
	for _, c := range statement.Comments(text) {
		if c.Open {
			m.openComment = c.Line
		}
		if a, ok := parseAllowance(c); ok {
			if c.Statement >= 0 {
				s := m.Statements[c.Statement]
				a.from, a.to = s.Line, s.LineAt(len(s.SQL))
			}
			m.allowances = append(m.allowances, a)
		}
	}
	return m, nil
}

// parseAllowance reads "d1-rewind:allow CODE REASON".
func parseAllowance(c statement.Comment) (allowance, bool) {
	rest, ok := strings.CutPrefix(c.Text, "d1-rewind:allow")
	words := strings.Fields(rest)
	if !ok || len(words) > 0 && !strings.ContainsAny(rest[:1], " \t") {
		return allowance{}, false
	}
	a := allowance{line: c.Line}
	if len(words) > 0 {
		a.code, a.reason = words[0], strings.Join(words[1:], " ")
	}
	return a, true
}

func unreadable(name string, line int, err error) *Problem {
	return &Problem{Kind: Usage, Err: err, File: name, Line: line, State: stateUntouched, Next: "fix the file; every migration is read before any is applied"}
}

// unlisted is the error of match.
func (d Directory) unlisted(err error) *Problem {
	if errors.Is(err, doublestar.ErrBadPattern) {
		return usage("correct migrations_pattern in the configuration", "%q is no pattern of file names: %w", d.Pattern, err)
	}
	return usage("check that the directory can be read", "read migrations directory %q: %w", d.Display, err)
}

func (d Directory) match(pattern string) ([]string, error) {
	var names []string
	err := doublestar.GlobWalk(d.FS, pattern, func(path string, entry fs.DirEntry) error {
		if entry.Type().IsRegular() {
			names = append(names, path)
		}
		return nil
	}, doublestar.WithNoHidden(), doublestar.WithNoFollow(), doublestar.WithFailOnIOErrors())
	slices.SortFunc(names, compareNames)
	return names, err
}

// compareNames orders as wrangler's compareMigrationPaths: segment by segment, by leading
// number first, numbered before unnumbered, ties by UTF-16 code units.
func compareNames(a, b string) int {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range min(len(as), len(bs)) {
		an, aok := leadingNumber(as[i])
		bn, bok := leadingNumber(bs[i])
		switch {
		case aok && !bok:
			return -1
		case bok && !aok:
			return 1
		case aok && an != bn:
			return cmp.Compare(an, bn)
		}
		if c := slices.Compare(utf16.Encode([]rune(as[i])), utf16.Encode([]rune(bs[i]))); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}

// leadingNumber is JavaScript's parseInt(segment.split("_")[0], 10), by which wrangler
// orders; ok is false for NaN.
func leadingNumber(segment string) (n float64, ok bool) {
	s, _, _ := strings.Cut(segment, "_")
	s = strings.TrimLeft(s, " \t\n\v\f\r\u00a0\ufeff")
	end := 0
	if end < len(s) && (s[end] == '-' || s[end] == '+') {
		end++
	}
	digits := end
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	if end == digits {
		return 0, false
	}
	n, err := strconv.ParseFloat(s[:end], 64)
	return n, err == nil
}

// NextName returns the file name that wrangler would give a new migration called title:
// the highest leading number plus one, in four digits, and title with underscores for
// spaces. The error is a *Problem of kind Usage.
func (d Directory) NextName(title string) (string, error) {
	unfit := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`/\:*?"<>|`, r) } // on some system
	if strings.TrimSpace(title) == "" || strings.HasPrefix(title, ".") || !utf8.ValidString(title) || strings.ContainsFunc(title, unfit) {
		return "", usage("give one word or a few: d1-rewind create add_users", "%q can't be part of a file name", title)
	}
	highest := 0.0
	names, err := d.match(d.Pattern)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", d.unlisted(err)
	}
	for _, name := range names {
		if n, ok := leadingNumber(name); ok {
			highest = max(highest, n)
		}
	}
	name := fmt.Sprintf("%04.0f_%s.sql", highest+1, strings.ReplaceAll(strings.TrimSuffix(title, ".sql"), " ", "_"))
	if ok, err := doublestar.Match(d.Pattern, name); err != nil || !ok {
		return "", usage("create the file with the tool that makes this layout (drizzle-kit, Prisma), or change migrations_pattern",
			"a new file %q would not match the pattern %q", name, d.Pattern)
	}
	return name, nil
}
