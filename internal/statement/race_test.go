//go:build race

package statement_test

// The race detector makes SQLite many times slower, and finds nothing in a test that is
// one goroutine.
func init() { *triggers = 100 }
