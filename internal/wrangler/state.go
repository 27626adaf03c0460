package wrangler

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// uniqueKey is the Durable Object namespace in which miniflare keeps its D1 databases.
const uniqueKey = "miniflare-D1DatabaseObject"

// StateFile returns the name of the file in which wrangler keeps the local database with
// an identifier: the Durable Object's id for that name, as workerd computes it
// (ActorIdFactoryImpl::idFromName in src/workerd/server/actor-id-impl.c++).
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
