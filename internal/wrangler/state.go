package wrangler

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
)

// uniqueKey is the Durable Object namespace in which miniflare keeps its D1 databases.
const uniqueKey = "miniflare-D1DatabaseObject"

// DefaultState returns the state directory of a project whose configuration is in configDir, unless
// --persist-to names another.
func DefaultState(configDir string) string { return filepath.Join(configDir, ".wrangler", "state") }

// StateDir returns the directory of the local databases in a state directory, which is
// .wrangler/state beside the configuration or what --persist-to names. Beside the databases
// it holds miniflare's own metadata.sqlite.
func StateDir(root string) string {
	return filepath.Join(root, "v3", "d1", uniqueKey)
}

// StateFile returns the name of the file in which wrangler keeps the local database with
// an identifier (see Database.Identifier): the Durable Object's id for that name, as
// workerd computes it (ActorIdFactoryImpl::idFromName in
// src/workerd/server/actor-id-impl.c++).
func StateFile(identifier string) string {
	key := sha256.Sum256([]byte(uniqueKey))
	mac := func(message []byte) []byte {
		h := hmac.New(sha256.New, key[:])
		h.Write(message)
		return h.Sum(nil)[:16]
	}
	name := mac([]byte(identifier))
	return hex.EncodeToString(append(name, mac(name)...)) + ".sqlite"
}
