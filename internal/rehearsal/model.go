package rehearsal

import "github.com/d1-rewind/d1-rewind/internal/migration"

// reader runs a query of our own: Look.Query of a trial, or a database outside of one.
type reader func(sql string, args ...any) (migration.Rows, error)
