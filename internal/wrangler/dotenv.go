package wrangler

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The variables that are taken from .env files.
const (
	TokenVariable       = "CLOUDFLARE_API_TOKEN"
	AccountVariable     = "CLOUDFLARE_ACCOUNT_ID"
	EnvironmentVariable = "CLOUDFLARE_ENV"
)

// Credentials are what .env files say about Cloudflare.
type Credentials struct {
	Token        string // "" if no file has one
	AccountID    string // of the file that has the token; "" if it has none
	File         string // that file
	OtherAccount string // the account id of a file that goes before File, or of any other where File has none; "" if there is none
	OtherFile    string // that file
}

// dotEnvFiles returns the .env files of an environment ("" for the top level), those that go
// before others first: the order of wrangler (getDefaultEnvFiles, loadDotEnv).
func dotEnvFiles(env string) []string {
	files := []string{".env.local", ".env"}
	if env != "" && filepath.Base(env) == env { // or it would be a path
		files = append([]string{".env." + env + ".local", ".env." + env}, files...)
	}
	return files
}

// ReadCredentials reads the .env files in dir; getenv looks up what values refer to. Other than in
// wrangler, which mixes all files, the token and the account come from one file: the first that has a
// token. Wrangler reads the files of its working directory; where that is the configuration's they
// are the same.
//
// A file that can't be read, and goes before the one with the token, is a *ConfigError, which never
// quotes it.
func ReadCredentials(dir, env string, getenv func(string) string) (Credentials, error) {
	var c Credentials
	for _, name := range dotEnvFiles(env) {
		file := filepath.Join(dir, name)
		values, err := readDotEnv(file, getenv)
		if err != nil && c.File != "" {
			continue // it would give nothing
		}
		if err != nil {
			return Credentials{}, err
		}
		token, hasToken := values[TokenVariable]
		account := values[AccountVariable]
		switch {
		case c.File == "" && hasToken && token == "":
			return Credentials{}, &ConfigError{Path: file, Problem: TokenVariable + " is empty",
				Hint: "write the token there, or remove the line; an empty one hides those of other .env files, as in wrangler"}
		case c.File == "" && hasToken:
			c.Token, c.AccountID, c.File = token, account, file
		case account != "" && c.AccountID == "" && c.OtherAccount == "":
			c.OtherAccount, c.OtherFile = account, file
		}
	}
	return c, nil
}

// ReadEnvironment returns the environment that the .env files in dir choose, and the file that does, both
// "" if none does. Where it is chosen wrangler reads no .env.NAME yet. A file that can't be read, and
// goes before the one that chooses, is a *ConfigError.
func ReadEnvironment(dir string, getenv func(string) string) (name, file string, err error) {
	for _, base := range dotEnvFiles("") {
		file = filepath.Join(dir, base)
		values, err := readDotEnv(file, getenv)
		if c, ok := errors.AsType[*ConfigError](err); ok {
			c.Hint = "correct that, or name the environment: local"
			return "", "", c
		}
		if name, ok := values[EnvironmentVariable]; ok && name != "" {
			return name, file, nil
		} else if ok {
			break // an empty one hides those of other files
		}
	}
	return "", "", nil
}

// readDotEnv returns the variables of a .env file, none if there is no such file. As in wrangler a
// directory of that name is none: Python keeps its environments in such.
func readDotEnv(file string, getenv func(string) string) (map[string]string, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil, nil
	}
	var data []byte
	if err == nil {
		data, err = readFile(file)
	}
	if err != nil {
		return nil, &ConfigError{Path: file, Problem: "can't be read: " + cause(err),
			Hint: "correct that, or set " + TokenVariable + " in the environment, then no .env file is read"}
	}
	return parseDotEnv(string(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))), getenv), nil
}

// space is white space as JavaScript's \s has it (https://tc39.es/ecma262/#prod-WhiteSpace).
const space = `[\s\v\x{a0}\x{feff}\x{2028}\x{2029}\pZ]`

// dotEnvLine is the expression with which the dotenv package, which wrangler uses, finds lines; what does
// not fit is passed over (LINE in lib/main.js of dotenv 16).
var dotEnvLine = regexp.MustCompile(strings.ReplaceAll(
	"(?m)(?:^|^)\\s*(?:export\\s+)?([\\w.-]+)(?:\\s*=\\s*?|:\\s+?)"+
		"(\\s*'(?:\\\\'|[^'])*'|\\s*\"(?:\\\\\"|[^\"])*\"|\\s*`(?:\\\\`|[^`])*`|[^#\\r\\n]+)?\\s*(?:#.*)?(?:$|$)", `\s`, space))

// parseDotEnv reads text as dotenv and dotenv-expand do: no library for Go takes and passes over the
// same lines.
func parseDotEnv(text string, getenv func(string) string) map[string]string {
	values := map[string]string{}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	for _, match := range dotEnvLine.FindAllStringSubmatch(text, -1) {
		value := strings.TrimSpace(match[2])
		escapes := strings.HasPrefix(value, `"`)
		if len(value) > 1 && strings.ContainsAny(value[:1], "'\"`") && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		if escapes {
			value = strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(value)
		}
		values[match[1]] = value
	}
	for name, value := range values {
		values[name] = strings.TrimSpace(expand(value, func(other string) string {
			if set := getenv(other); set != "" || other == name {
				return set
			}
			return values[other]
		}))
	}
	return values
}

// reference is $NAME, ${NAME} or ${NAME:-DEFAULT}; a backslash in front keeps it as it is.
var reference = regexp.MustCompile(`\\?\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))`)

func expand(value string, lookup func(string) string) string {
	return reference.ReplaceAllStringFunc(value, func(text string) string {
		if kept, escaped := strings.CutPrefix(text, `\`); escaped {
			return kept
		}
		parts := reference.FindStringSubmatch(text)
		if found := lookup(parts[1] + parts[3]); found != "" {
			return found
		}
		return parts[2]
	})
}
