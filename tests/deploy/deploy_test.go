// Package deploy judges the files of deploy/ by the programs and libraries of
// those who read them: no engine for containers is needed.
package deploy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set; run `cargo xtask test deploy`", name)
	}
	return value
}

// file is a path below deploy/.
func file(t *testing.T, path ...string) string {
	t.Helper()
	return filepath.Join(append([]string{setting(t, "PORTOLAN_ROOT"), "deploy"}, path...)...)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func run(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	said, err := exec.Command(program, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, said)
	}
	return string(said)
}

func TestDockerfile(t *testing.T) {
	run(t, setting(t, "PORTOLAN_HADOLINT"), "--failure-threshold", "style", file(t, "Dockerfile"))
}

// TestFlags asks the program whether it knows the words that the files give it.
func TestFlags(t *testing.T) {
	binary := setting(t, "PORTOLAN_BINARY")
	word := regexp.MustCompile(`--[a-z][a-z-]+`)
	known := word.FindAllString(run(t, binary, "serve", "--help"), -1)
	service, err := compose(t).GetService("portolan")
	if err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string]string{
		"Dockerfile":       line(t, file(t, "Dockerfile"), `CMD ["serve"`),
		"portolan.service": line(t, file(t, "portolan.service"), "ExecStart="),
		"compose.yaml":     strings.Join(service.Command, " "),
	} {
		flags := word.FindAllString(command, -1)
		if len(flags) < 2 {
			t.Errorf("%s says only %q", name, command)
		}
		for _, flag := range flags {
			if !slices.Contains(known, flag) {
				t.Errorf("%s: `portolan serve` knows no %s", name, flag)
			}
		}
	}
	// The image's health check.
	run(t, binary, "health", setting(t, "PORTOLAN_ADDRESS"))
}

// line is the line of a file that begins like this.
func line(t *testing.T, path, beginning string) string {
	t.Helper()
	for text := range strings.Lines(string(read(t, path))) {
		if strings.HasPrefix(text, beginning) {
			return text
		}
	}
	t.Fatalf("%s has no line %s…", path, beginning)
	return ""
}

// compose is the project as the engine would read it.
func compose(t *testing.T) *types.Project {
	t.Helper()
	path := file(t, "compose.yaml")
	details := types.ConfigDetails{
		WorkingDir:  filepath.Dir(path),
		ConfigFiles: []types.ConfigFile{{Filename: path}},
		Environment: types.Mapping{"POSTGRES_PASSWORD": "one", "GRAFANA_PASSWORD": "two"},
	}
	project, err := loader.LoadWithContext(context.Background(), details)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestCompose(t *testing.T) {
	project := compose(t)
	if err := project.CheckContainerNameUnicity(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"portolan", "postgres", "prometheus", "grafana"} {
		service, err := project.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to others", name, port.Published)
			}
		}
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
		}
	}
	// Passwords have no default, so nobody serves with one that all know.
	_, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  project.WorkingDir,
		ConfigFiles: []types.ConfigFile{{Filename: file(t, "compose.yaml")}},
	})
	if err == nil || !strings.Contains(err.Error(), "POSTGRES_PASSWORD") {
		t.Fatalf("without passwords: %v", err)
	}
}

func TestPrometheus(t *testing.T) {
	parsed, err := config.LoadFile(file(t, "prometheus.yml"), false, promslog.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	project := compose(t)
	scrapes, err := parsed.GetScrapeConfigs()
	if err != nil {
		t.Fatal(err)
	}
	if len(scrapes) != 2 || scrapes[0].JobName != "portolan" {
		t.Fatalf("scrapes %v", scrapes)
	}
	if _, err := project.GetService("portolan"); err != nil {
		t.Fatal(err)
	}
	for _, rules := range parsed.RuleFiles {
		path := file(t, filepath.Base(rules))
		groups, errs := rulefmt.ParseFile(path, false, model.UTF8Validation)
		if len(errs) > 0 {
			t.Fatalf("%s: %v", path, errs)
		}
		metrics := served(t)
		for _, group := range groups.Groups {
			for _, rule := range group.Rules {
				uses(t, rule.Alert, rule.Expr, metrics)
			}
		}
	}
}

// served is the name of every metric that the server under test has, with
// Prometheus' own.
func served(t *testing.T) map[string]bool {
	t.Helper()
	response, err := http.Get("http://" + setting(t, "PORTOLAN_ADDRESS") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	names := map[string]bool{"up": true}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		var name, kind string
		if _, err := fmt.Sscanf(lines.Text(), "# TYPE %s %s", &name, &kind); err != nil {
			continue
		}
		names[name] = true
		if kind == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				names[name+suffix] = true
			}
		}
	}
	if len(names) < 10 {
		t.Fatalf("only %v", names)
	}
	return names
}

// uses fails unless the expression is one of PromQL, of metrics that there are.
func uses(t *testing.T, title, expression string, metrics map[string]bool) {
	t.Helper()
	// Grafana puts a duration here.
	expression = strings.ReplaceAll(expression, "$__rate_interval", "1m")
	parsed, err := parser.ParseExpr(expression)
	if err != nil {
		t.Errorf("%s: %v", title, err)
		return
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok && !metrics[selector.Name] {
			t.Errorf("%s: the server has no metric %s", title, selector.Name)
		}
		return nil
	})
}

type dashboard struct {
	UID         string
	Annotations struct{ List []target }
	Templating  struct {
		List []struct {
			Name       string
			Datasource datasource
			Definition string
		}
	}
	Panels []struct {
		ID         int
		Title      string
		Datasource datasource
		GridPos    struct{ X, Y, W, H int }
		Targets    []target
	}
}

type datasource struct{ Type, UID string }

type target struct {
	RefID, Expr string
	Datasource  datasource
}

func TestDashboard(t *testing.T) {
	var board dashboard
	if err := json.Unmarshal(read(t, file(t, "grafana/dashboards/portolan.json")), &board); err != nil {
		t.Fatal(err)
	}
	var sources struct{ Datasources []datasource }
	if err := yaml.Unmarshal(read(t, file(t, "grafana/provisioning/datasources/prometheus.yaml")), &sources); err != nil {
		t.Fatal(err)
	}
	metrics := served(t)
	known := func(title string, source datasource) {
		t.Helper()
		if !slices.Contains(sources.Datasources, source) {
			t.Errorf("%s: no source %v is provisioned", title, source)
		}
	}
	taken := map[[2]int]string{}
	ids := map[int]bool{}
	for _, panel := range board.Panels {
		known(panel.Title, panel.Datasource)
		if ids[panel.ID] || len(panel.Targets) == 0 {
			t.Errorf("%s: id %d, %d queries", panel.Title, panel.ID, len(panel.Targets))
		}
		ids[panel.ID] = true
		for _, query := range panel.Targets {
			known(panel.Title, query.Datasource)
			uses(t, panel.Title, query.Expr, metrics)
		}
		place := panel.GridPos
		for x := place.X; x < place.X+place.W; x++ {
			for y := place.Y; y < place.Y+place.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
					t.Fatalf("%s lies over %q or beyond the edge", panel.Title, other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
	}
	for _, query := range board.Annotations.List {
		uses(t, "annotation", query.Expr, metrics)
	}
	for _, variable := range board.Templating.List {
		known(variable.Name, variable.Datasource)
		name := regexp.MustCompile(`^label_values\((\w+), \w+\)$`).FindStringSubmatch(variable.Definition)
		if name == nil || !metrics[name[1]] {
			t.Errorf("variable %s: %s", variable.Name, variable.Definition)
		}
	}
	if len(board.Panels) < 10 {
		t.Fatalf("only %d panels", len(board.Panels))
	}
}

// TestUnit has systemd read the unit, with a program that is there, and say how
// much of the machine the service is kept from.
func TestUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is missing; on Debian it comes with systemd")
	}
	text := string(read(t, file(t, "portolan.service")))
	path := filepath.Join(t.TempDir(), "portolan.service")
	here := strings.ReplaceAll(text, "/usr/local/bin/portolan", setting(t, "PORTOLAN_BINARY"))
	if here == text {
		t.Fatal("the program is somewhere else")
	}
	if err := os.WriteFile(path, []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := run(t, analyze, "verify", "--man=no", path); said != "" {
		t.Fatal(said)
	}
	// 0 is kept from everything, 100 from nothing.
	run(t, analyze, "security", "--offline=yes", "--threshold=15", path)
}
