package wrangler

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"
)

// The variables that are taken from .env files.
const (
	TokenVariable   = "CLOUDFLARE_API_TOKEN"
	AccountVariable = "CLOUDFLARE_ACCOUNT_ID"
)

// Credentials are what .env files say about Cloudflare.
type Credentials struct {
	Token        string // "" if no file has one
	AccountID    string // of the file that has the token; "" if it has none
	File         string // that file
	OtherAccount string // the account id of a file that goes before File, or of any other where File has none; "" if there is none
	OtherFile    string // that file
}

// DotEnvFiles returns the .env files of an environment ("" for the top level), those that go
// before others first: the order of wrangler (getDefaultEnvFiles, loadDotEnv).
func DotEnvFiles(env string) []string {
	files := []string{".env.local", ".env"}
	if env != "" && filepath.Base(env) == env { // or it would be a path
		files = append([]string{".env." + env + ".local", ".env." + env}, files...)
	}
	return files
}

// ReadCredentials reads the .env files in dir. Other than in wrangler, which mixes all files, the
// token and the account come from one file: the first of DotEnvFiles that has a token. Wrangler
// reads the files of its working directory; where that is the configuration's they are the same.
//
// A file that says nothing about Cloudflare is harmless. One that can't be read, and goes before
// the one with the token, is a *ConfigError, which never quotes it.
func ReadCredentials(dir, env string) (Credentials, error) {
	var c Credentials
	for _, name := range DotEnvFiles(env) {
		file := filepath.Join(dir, name)
		values, err := readDotEnv(file)
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
				Hint: "write the token there, without a $ in it, or remove the line; an empty one hides those of other .env files, as in wrangler"}
		case c.File == "" && hasToken:
			c.Token, c.AccountID, c.File = token, account, file
		case account != "" && c.AccountID == "" && c.OtherAccount == "":
			c.OtherAccount, c.OtherFile = account, file
		}
	}
	return c, nil
}

// readDotEnv returns the variables of a .env file, none if there is no such file. As in wrangler a
// directory of that name is none: Python keeps its environments in such.
func readDotEnv(file string) (map[string]string, error) {
	fail := func(problem, hint string) error { return &ConfigError{Path: file, Problem: problem, Hint: hint} }
	const instead = "set " + TokenVariable + " in the environment, then no .env file is read"
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil, nil
	}
	var data []byte
	if err == nil {
		data, err = readFile(file)
	}
	if err != nil {
		return nil, fail("can't be read: "+cause(err), "correct that, or "+instead)
	}
	values, err := godotenv.UnmarshalBytes(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if err != nil { // whose words quote the file
		return nil, fail("has a line that is not NAME=VALUE", "correct it, and put values of several lines in quotes; or "+instead)
	}
	for name, value := range values {
		values[name] = strings.TrimSpace(value)
	}
	return values, nil
}
