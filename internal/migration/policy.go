package migration

import (
	"fmt"
	"slices"
	"strings"
)

// Policy says what a finding does to a run.
type Policy string

// The policies.
const (
	Off  Policy = "off"  // it is not looked for, or not shown
	Warn Policy = "warn" // it is shown
	Fail Policy = "fail" // the run is refused
)

// HazardPolicy says what hazards do to a run.
type HazardPolicy struct {
	Rest   Policy            // for the codes that ByCode lacks; "" is Warn
	ByCode map[string]Policy // Fail refuses the code whatever its severity
}

// UnknownCodeError is the error of ParseHazardPolicy for a code that no hazard has.
type UnknownCodeError struct{ Code string }

func (e *UnknownCodeError) Error() string { return fmt.Sprintf("unknown hazard code %q", e.Code) }

// ParseHazardPolicy reads a policy such as "fail, out-of-order=fail, drop-column=warn": the first
// word is for all codes that are not named, and rest is, where the text begins with a code. The
// error is an *UnknownCodeError, or says what can't be read.
func ParseHazardPolicy(text string, rest Policy) (HazardPolicy, error) {
	p := HazardPolicy{Rest: rest, ByCode: map[string]Policy{}}
	if strings.TrimSpace(text) == "" {
		return p, nil
	}
	for i, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		code, word, named := strings.Cut(part, "=")
		if !named {
			code, word = "", part
		}
		code = strings.TrimSpace(code)
		policy := Policy(strings.TrimSpace(word))
		_, twice := p.ByCode[code]
		switch {
		case !slices.Contains([]Policy{Off, Warn, Fail}, policy):
			return p, fmt.Errorf("%q is not off, warn, fail or CODE=off|warn|fail", strings.TrimSpace(part))
		case !named && i > 0:
			return p, fmt.Errorf("%q must come first: it is for the codes that are not named", policy)
		case !named:
			p.Rest = policy
		case !slices.Contains(Codes, code):
			return p, &UnknownCodeError{code}
		case twice:
			return p, fmt.Errorf("the code %s is named twice", code)
		default:
			p.ByCode[code] = policy
		}
	}
	return p, nil
}

// comparedCodes are the codes that a comparison of files and ledger finds, without a rehearsal.
var comparedCodes = []string{CodeMissing, CodeEdited, CodeOutOfOrder, CodeDuplicateNumber, CodeOpenComment}

// neverAllowed are the codes that no comment can allow: their file is applied or gone, or the
// comment is what is wrong.
var neverAllowed = []string{CodeMissing, CodeEdited, CodeAllowReason, CodeAllowUnknown, CodeAllowUnused}

// NeedsRehearsal reports whether the policy refuses hazards that only a rehearsal finds.
func (p HazardPolicy) NeedsRehearsal() bool {
	return slices.ContainsFunc(Codes, func(code string) bool { return p.of(code) == Fail && !slices.Contains(comparedCodes, code) })
}

func (p HazardPolicy) of(code string) Policy {
	if policy, named := p.ByCode[code]; named {
		return policy
	}
	return p.Rest
}

// refuses reports whether a run with h is refused.
func (p HazardPolicy) refuses(h Hazard) bool {
	if h.Allowed != "" {
		return false
	}
	_, named := p.ByCode[h.Code]
	return p.of(h.Code) == Fail && (named || h.Severity == SeverityError)
}

// apply leaves out the hazards that are off, and marks those that refuse the run.
func (p HazardPolicy) apply(hazards []Hazard) []Hazard {
	var shown []Hazard
	for _, h := range hazards {
		if p.of(h.Code) != Off {
			h.Refuses = p.refuses(h)
			shown = append(shown, h)
		}
	}
	return shown
}

// howToAllow says how a run goes on with a hazard that is meant.
func (h Hazard) howToAllow() string {
	switch {
	case slices.Contains(neverAllowed, h.Code):
		return fmt.Sprintf("let it pass with the policy %s=warn", h.Code)
	case h.Line == 0:
		return fmt.Sprintf("say so in the file: -- d1-rewind:allow %s REASON", h.Code)
	default:
		return fmt.Sprintf("say so in front of the statement: -- d1-rewind:allow %s REASON", h.Code)
	}
}
