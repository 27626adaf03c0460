package cli

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestUnlessQuick(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		takes time.Duration
		want  string
	}{
		{"quick", quick / 2, ""},
		{"slow", 2 * quick, "begun\nstill at it\n"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // its clock passes at once
				var b strings.Builder
				say, done := unlessQuick(func(line string) { b.WriteString(line) })
				say("begun\n")
				time.Sleep(tc.takes)
				say("still at it\n")
				done()
				time.Sleep(2 * quick)
				if diff := cmp.Diff(tc.want, b.String()); diff != "" {
					t.Errorf("progress (-want +got):\n%s", diff)
				}
			})
		})
	}
}
