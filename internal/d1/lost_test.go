package d1

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
)

// TestCancelledByNobody: net/http may give up a connection that was meant for another request
// with context.Canceled. To a run that nobody cancelled that is a lost connection.
func TestCancelledByNobody(t *testing.T) {
	t.Parallel()
	wrapped := &url.Error{Op: "Post", URL: "https://example.com", Err: fmt.Errorf("dial: %w", context.Canceled)}
	for _, cancelled := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		if cancelled {
			cancel()
		}
		failed := New(Config{}).lost(ctx, &Error{sent: true}, wrapped)
		if got := errors.Is(failed, context.Canceled); got != cancelled || failed.passes() == cancelled {
			t.Errorf("cancelled: %v, but the error says %v, and passes %v", cancelled, got, failed.passes())
		}
		cancel()
	}
}
