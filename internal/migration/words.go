package migration

import (
	"fmt"
	"strings"
)

// Size writes a number of bytes as people read it: 512 bytes, 1.5 MiB.
func Size(bytes int64) string {
	if bytes < 1<<10 {
		return Count(int(bytes), "byte")
	}
	value, units := float64(bytes)/(1<<10), []string{"KiB", "MiB", "GiB", "TiB"}
	for len(units) > 1 && value >= 1<<10 {
		value, units = value/(1<<10), units[1:]
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0") + " " + units[0]
}

// Count is "1 migration" or "2 migrations".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// Aside puts a detail into parentheses, if it does not begin and end with some.
func Aside(detail string) string {
	if strings.HasPrefix(detail, "(") && strings.HasSuffix(detail, ")") {
		return detail
	}
	return "(" + detail + ")"
}
