package d1test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Worker is a deployed Worker.
type Worker struct {
	Versions       []string
	Deployments    []Deployment // oldest first
	SecretsChanged []string     // versions that have other secrets than the deployed one

	created map[string]time.Time // by version
}

// Deployment is one deployment of a Worker at 100 %.
type Deployment struct {
	Version string
	Message string
	At      time.Time
}

// Deploy makes version of the Worker serve all requests.
func (s *Server) Deploy(name, version string) *Worker {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	w := s.workers[name]
	if w == nil {
		w = &Worker{created: map[string]time.Time{}}
		s.workers[name] = w
	}
	if !slices.Contains(w.Versions, version) {
		w.Versions = append(w.Versions, version)
		w.created[version] = s.Now()
	}
	w.Deployments = append(w.Deployments, Deployment{Version: version, At: s.Now()})
	return w
}

// Deployed returns the version of the Worker that serves requests.
func (s *Server) Deployed(name string) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if w := s.workers[name]; w != nil && len(w.Deployments) > 0 {
		return w.Deployments[len(w.Deployments)-1].Version
	}
	return ""
}

// stamp formats a time so that it sorts as text, as wrangler sorts versions and deployments
// (packages/wrangler/src/versions/list.ts), and the i-th of one moment after those before it.
func stamp(t time.Time, i int) string {
	return t.UTC().Add(time.Duration(i)).Format("2006-01-02T15:04:05.000000000Z")
}

// scripts serves deployments and versions of Workers
// (https://developers.cloudflare.com/api/resources/workers/subresources/scripts/).
func (s *Server) scripts(w http.ResponseWriter, r *http.Request, name string, path []string, body []byte, allowed Permissions) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	worker := s.workers[name]
	switch {
	case !allowed.WorkersRead && !allowed.WorkersEdit, r.Method == http.MethodPost && !allowed.WorkersEdit:
		fail(w, http.StatusForbidden, 10000, "Authentication error")
	case worker == nil:
		fail(w, http.StatusNotFound, 10007, "This Worker does not exist on your account.")
	case path[0] == "deployments" && r.Method == http.MethodGet:
		list := []any{}
		for i, d := range slices.Backward(worker.Deployments) {
			list = append(list, map[string]any{"id": fmt.Sprintf("deployment-%d", i), "source": "wrangler", "strategy": "percentage", "author_email": "d1test@example.com",
				"created_on": stamp(d.At, i), "annotations": map[string]string{"workers/message": d.Message},
				"versions": []any{map[string]any{"version_id": d.Version, "percentage": 100}}})
		}
		succeed(w, map[string]any{"deployments": list})
	case path[0] == "deployments" && r.Method == http.MethodPost:
		var b struct {
			Versions []struct {
				ID         string  `json:"version_id"`
				Percentage float64 `json:"percentage"`
			} `json:"versions"`
			Annotations map[string]string `json:"annotations"`
		}
		if json.Unmarshal(body, &b) != nil || len(b.Versions) != 1 || b.Versions[0].Percentage != 100 {
			fail(w, http.StatusBadRequest, 10021, "one version at 100 % is wanted")
			return
		}
		version := b.Versions[0].ID
		switch {
		case !slices.Contains(worker.Versions, version):
			fail(w, http.StatusBadRequest, 10021, "version "+version+" does not exist")
		case slices.Contains(worker.SecretsChanged, version) && r.URL.Query().Get("force") != "true":
			// packages/wrangler/src/versions/rollback/index.ts looks for the code, and for names
			// behind the words of the second sentence.
			fail(w, http.StatusBadRequest, 10220, "The secrets of the Worker have changed since this version. The following secrets have changed: API_KEY, SALT")
		default:
			worker.Deployments = append(worker.Deployments, Deployment{Version: version, Message: b.Annotations["workers/message"], At: s.Now()})
			succeed(w, map[string]any{"id": fmt.Sprintf("deployment-%d", len(worker.Deployments)-1)})
		}
	case path[0] == "versions" && r.Method == http.MethodGet:
		items := []any{}
		for i, v := range slices.Backward(worker.Versions) {
			item := map[string]any{"id": v, "number": i + 1, "metadata": map[string]any{"created_on": stamp(worker.created[v], i), "author_email": "d1test@example.com", "source": "wrangler"}, "annotations": map[string]any{}}
			if len(path) == 2 && path[1] == v {
				// wrangler versions deploy reads them (packages/deploy-helpers).
				item["resources"] = map[string]any{"bindings": []any{}, "script": map[string]any{"etag": v, "handlers": []string{"fetch"}},
					"script_runtime": map[string]any{"compatibility_date": "2026-11-01", "usage_model": "standard"}}
				succeed(w, item)
				return
			}
			items = append(items, item)
		}
		if len(path) == 2 {
			// Status, code and words are an assumption.
			fail(w, http.StatusNotFound, 10007, "version "+path[1]+" does not exist")
			return
		}
		succeed(w, map[string]any{"items": items})
	default:
		fail(w, http.StatusNotFound, 7003, "Could not route to "+r.URL.Path)
	}
}
