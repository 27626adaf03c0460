package sqlite

import (
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// authorizer refuses what D1's own authorizer refuses (SqliteDatabase::isAuthorized in
// workerd's src/workerd/util/sqlite.c++).
type authorizer struct {
	off         bool // for SQL of our own between two statements of a migration
	transaction bool // whether the last statement tried to control the transaction
	like        bool // whether a statement defined LIKE anew
	watched     bool
	events      []Event // of the last statement, where someone watches
}

func (a *authorizer) authorize(action sqlite3.AuthorizerActionCode, third, fourth, schema, inner string) sqlite3.AuthorizerReturnCode {
	if name, ok := actions[action]; ok && a.watched && !a.off {
		e := Event{Action: name, Object: third, Detail: fourth, Inner: inner}
		if action == sqlite3.AUTH_ALTER_TABLE {
			e.Object, e.Detail = fourth, ""
		}
		a.events = append(a.events, e)
	}
	if a.off || a.allows(action, third, fourth, schema) {
		return sqlite3.AUTH_OK
	}
	return sqlite3.AUTH_DENY
}

func (a *authorizer) allows(action sqlite3.AuthorizerActionCode, third, fourth, schema string) bool {
	if action == sqlite3.AUTH_ALTER_TABLE {
		third, fourth, schema = fourth, "", third // SQLite passes the schema first here
	}
	switch schema {
	case "", "main":
	case "temp":
		return action == sqlite3.AUTH_READ || action == sqlite3.AUTH_UPDATE
	default:
		return false
	}
	switch action {
	case sqlite3.AUTH_SELECT, sqlite3.AUTH_RECURSIVE:
		return true
	case sqlite3.AUTH_READ:
		return !internal(third) && !undeclared[strings.ToLower(third)]
	case sqlite3.AUTH_INSERT, sqlite3.AUTH_UPDATE, sqlite3.AUTH_DELETE,
		sqlite3.AUTH_CREATE_TABLE, sqlite3.AUTH_DROP_TABLE, sqlite3.AUTH_CREATE_VIEW, sqlite3.AUTH_DROP_VIEW,
		sqlite3.AUTH_CREATE_INDEX, sqlite3.AUTH_DROP_INDEX, sqlite3.AUTH_CREATE_TRIGGER, sqlite3.AUTH_DROP_TRIGGER,
		sqlite3.AUTH_REINDEX, sqlite3.AUTH_ANALYZE, sqlite3.AUTH_ALTER_TABLE:
		if action == sqlite3.AUTH_UPDATE || action == sqlite3.AUTH_REINDEX || action == sqlite3.AUTH_ANALYZE {
			return !internal(third) // the fourth is a column here, which may have any name
		}
		return !internal(third) && !internal(fourth)
	case sqlite3.AUTH_FUNCTION:
		return functions[strings.ToLower(fourth)]
	case sqlite3.AUTH_PRAGMA:
		a.like = a.like || strings.EqualFold(third, "case_sensitive_like")
		return pragma(strings.ToLower(third), fourth)
	case sqlite3.AUTH_CREATE_VTABLE, sqlite3.AUTH_DROP_VTABLE:
		return !internal(third) && modules[strings.ToLower(fourth)]
	case sqlite3.AUTH_TRANSACTION, sqlite3.AUTH_SAVEPOINT:
		a.transaction = true
		return false
	default: // ATTACH, DETACH, everything TEMP
		return false
	}
}

// internal reports whether D1 keeps the name for itself.
func internal(name string) bool { return len(name) >= 4 && strings.EqualFold(name[:4], "_cf_") }

func pragma(name, argument string) bool {
	switch name {
	case "table_list":
		return true
	case "table_info", "table_xinfo", "index_list", "index_info", "index_xinfo", "foreign_key_list":
		return argument != "" && !internal(argument)
	case "foreign_key_check", "quick_check":
		return !internal(argument)
	case "optimize":
		_, err := strconv.ParseInt(argument, 0, 64) // PRAGMA optimize(0x10002) is SQLite's own example
		return argument == "" || err == nil
	case "data_version", "page_size":
		return argument == ""
	case "foreign_keys", "defer_foreign_keys", "ignore_check_constraints", "legacy_alter_table",
		"recursive_triggers", "reverse_unordered_selects", "case_sensitive_like":
		return argument == "" || isSwitch(argument)
	default:
		return false
	}
}

// isSwitch follows workerd, which looks at the beginning of the value only.
func isSwitch(value string) bool {
	value = strings.ToLower(strings.Trim(value, `'"`))
	for _, prefix := range []string{"true", "false", "yes", "no", "on", "off", "1", "0"} {
		if strings.HasPrefix(value, prefix) {
			return true
		}
	}
	return false
}

func set(words string) map[string]bool {
	s := map[string]bool{}
	for _, w := range strings.Fields(words) {
		s[w] = true
	}
	return s
}

var modules = set("fts5 fts5vocab rtree rtree_i32")

// undeclared are tables that the embedded SQLite has of itself and D1's has not.
var undeclared = set("generate_series dbstat sqlite_dbpage sqlite_stmt bytecode tables_used")

// functions is workerd's allow-list (ALLOWED_SQLITE_FUNCTIONS in sqlite.c++), less
// soundex and load_extension, which D1's build does not have.
var functions = set(`abs acos acosh asin asinh atan atan2 atanh avg bm25 ceil changes char coalesce concat concat_ws
cos cosh count cume_dist current_date current_time current_timestamp date datetime degrees dense_rank exp first_value
floor format glob group_concat hex highlight ifnull iif instr json json_array json_array_length json_each json_extract
json_group_array json_group_object json_insert json_object json_patch json_quote json_remove json_replace json_set
json_tree json_type json_valid jsonb jsonb_array jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert
jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set julianday lag last_insert_rowid last_value lead length
like likelihood likely ln log log2 lower ltrim match max max_scalar min min_scalar mod nth_value ntile nullif
octet_length percent_rank pi pow printf quote radians random randomblob rank replace round row_number rtreecheck rtrim
sign sin sinh snippet sqlite_drop_column sqlite_rename_column sqlite_rename_quotefix sqlite_rename_table
sqlite_rename_test sqrt strftime string_agg substr substring sum tan tanh time timediff total total_changes trim trunc
typeof unhex unicode unixepoch unlikely upper zeroblob -> ->>`)
