// Package tools runs programs that people use on any gRPC server, grpcurl and
// grpc_health_probe, against servers of every kind: plain, by TLS, by mutual TLS,
// with tokens, and behind a gateway.
package tools

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set; run `cargo xtask test tools`", name)
	}
	return value
}

// run runs a program to its end and gives what it says on both streams, and its
// exit code.
func run(t *testing.T, program string, arguments ...string) (string, string, int) {
	t.Helper()
	command := exec.Command(filepath.Join(setting(t, "PORTOLAN_CLIENTS"), "bin", program), arguments...)
	command.WaitDelay = time.Minute
	var complaint strings.Builder
	command.Stderr = &complaint
	said, err := command.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(said), complaint.String(), command.ProcessState.ExitCode()
}

// start runs the binary until the test ends, and gives where it listens.
func start(t *testing.T, arguments ...string) string {
	t.Helper()
	server := exec.Command(setting(t, "PORTOLAN_BINARY"), append(arguments, "--listen", "127.0.0.1:0")...)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	pattern := regexp.MustCompile(`^listening on https?://(\S+)`)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if found := pattern.FindStringSubmatch(lines.Text()); found != nil {
			// Read on, so that the program never waits for a reader.
			go io.Copy(io.Discard, out)
			return found[1]
		}
	}
	t.Fatal("the server does not listen")
	return ""
}

// serve starts a server with people in it.
func serve(t *testing.T, arguments ...string) string {
	t.Helper()
	return start(t, append([]string{"serve", "--demo", "--data", t.TempDir()}, arguments...)...)
}

// certificates makes those that the book tells people to try with.
func certificates(t *testing.T) func(string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "tls")
	command := exec.Command(setting(t, "PORTOLAN_BINARY"),
		"tls", "self-signed", "--out", folder, "--client", "judge")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return func(name string) string { return filepath.Join(folder, name) }
}

// way is how a server is reached, in the words of each tool.
type way struct{ grpcurl, probe []string }

// reaches fails unless both tools do with the server what they are for.
func reaches(t *testing.T, address string, by way) {
	t.Helper()
	call := func(arguments ...string) string {
		t.Helper()
		said, complaint, code := run(t, "grpcurl", slices.Concat(by.grpcurl, arguments)...)
		if code != 0 {
			t.Fatalf("grpcurl %v: %d %s%s", arguments, code, said, complaint)
		}
		return said
	}
	listed := strings.Fields(call(address, "list"))
	for _, service := range []string{
		"grpc.health.v1.Health", "somafractalmemory.v1.MemoryService",
		"user.UserService", "user.v1.UserService", "users.v1.UserService",
	} {
		if !slices.Contains(listed, service) {
			t.Errorf("%s is not among %v", service, listed)
		}
		// The comments and the options of the contract are not in it, but every
		// method is.
		if said := call(address, "describe", service); !strings.Contains(said, "rpc ") {
			t.Errorf("%s: %s", service, said)
		}
	}

	var one struct{ User struct{ Name string } }
	parse(t, call("-d", `{"id":"1"}`, address, "user.v1.UserService/GetUser"), &one)
	if one.User.Name != "John Doe" {
		t.Errorf("unary: %+v", one)
	}
	streamed := call("-d", `{"page_size":3}`, address, "user.v1.UserService/ListUsers")
	if count := strings.Count(streamed, `"email"`); count != 3 {
		t.Errorf("%d of 3 in %s", count, streamed)
	}
	var stored struct{ StoredCount int }
	parse(t, call("-d", `{"content":"a"} {"content":"b"}`, address,
		"somafractalmemory.v1.MemoryService/BatchStoreMemories"), &stored)
	if stored.StoredCount != 2 {
		t.Errorf("client stream: %+v", stored)
	}
	said := call("-H", "x-room: tools", "-d", `{"user_id":"a","content":"one"} {"user_id":"a","content":"two"}`,
		address, "users.v1.UserService/Chat")
	if strings.Count(said, `"content"`) != 2 {
		t.Errorf("both ways: %s", said)
	}
	// Details of an error are decoded by the contract that reflection gives.
	_, complaint, code := run(t, "grpcurl", slices.Concat(by.grpcurl,
		[]string{"-d", `{"name":"x"}`, address, "user.v1.UserService/CreateUser"})...)
	if code != 64+3 || !strings.Contains(complaint, "Email and name are required") ||
		!strings.Contains(complaint, "google.rpc.BadRequest") {
		t.Errorf("an error: %d %s", code, complaint)
	}

	for _, service := range []string{"", "user.v1.UserService", "somafractalmemory.v1.MemoryService"} {
		probed(t, 0, "SERVING", slices.Concat(by.probe, []string{"-addr", address, "-service", service})...)
	}
	probed(t, 3, "NotFound", slices.Concat(by.probe, []string{"-addr", address, "-service", "no.such.Service"})...)
}

// probed fails unless the probe ends like this and says so.
func probed(t *testing.T, want int, word string, arguments ...string) {
	t.Helper()
	said, complaint, code := run(t, "grpc-health-probe", slices.Concat([]string{"-connect-timeout", "10s", "-rpc-timeout", "10s"}, arguments)...)
	if code != want || !strings.Contains(said+complaint, word) {
		t.Errorf("grpc_health_probe %v: %d %s%s", arguments, code, said, complaint)
	}
}

func parse(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

var plain = way{grpcurl: []string{"-plaintext"}}

func TestPlain(t *testing.T) {
	reaches(t, setting(t, "PORTOLAN_ADDRESS"), plain)
}

func TestGateway(t *testing.T) {
	upstream := setting(t, "PORTOLAN_ADDRESS")
	reaches(t, start(t, "gateway", "--upstream", "http://"+upstream), plain)
}

func TestTLS(t *testing.T) {
	tls := certificates(t)
	address := serve(t, "--tls-cert", tls("server.pem"), "--tls-key", tls("server-key.pem"))
	reaches(t, address, way{
		grpcurl: []string{"-cacert", tls("ca.pem")},
		probe:   []string{"-tls", "-tls-ca-cert", tls("ca.pem")},
	})
	// Whoever does not know the authority does not trust the server.
	_, complaint, code := run(t, "grpcurl", address, "list")
	if code == 0 || !strings.Contains(complaint, "certificate") {
		t.Errorf("without the authority: %d %s", code, complaint)
	}
	probed(t, 2, "", "-tls", "-addr", address, "-connect-timeout", "1s")
	// And who speaks no TLS gets no answer.
	if said, _, code := run(t, "grpcurl", "-plaintext", "-max-time", "2", address, "list"); code == 0 {
		t.Errorf("without TLS: %s", said)
	}
}

func TestMutualTLS(t *testing.T) {
	tls := certificates(t)
	address := serve(t, "--tls-cert", tls("server.pem"), "--tls-key", tls("server-key.pem"),
		"--tls-client-ca", tls("ca.pem"))
	reaches(t, address, way{
		grpcurl: []string{"-cacert", tls("ca.pem"), "-cert", tls("client-judge.pem"), "-key", tls("client-judge-key.pem")},
		probe: []string{"-tls", "-tls-ca-cert", tls("ca.pem"),
			"-tls-client-cert", tls("client-judge.pem"), "-tls-client-key", tls("client-judge-key.pem")},
	})
	if _, complaint, code := run(t, "grpcurl", "-cacert", tls("ca.pem"), address, "list"); code == 0 {
		t.Errorf("without a certificate: %s", complaint)
	}
	_, complaint, code := run(t, "grpc-health-probe", "-tls", "-tls-ca-cert", tls("ca.pem"), "-addr", address)
	if code == 0 {
		t.Errorf("without a certificate: %s", complaint)
	}
}

func TestTokens(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const static = "c3RhdGljLXRva2VuLW9mLXRoZS1qdWRnZXM"
	tokens := file("tokens", static+" judge\n")
	secret := file("secret", "a secret of the judges that is long enough for HS256\n")
	issue := exec.Command(setting(t, "PORTOLAN_BINARY"),
		"token", "issue", "--secret-file", secret, "--user-id", "1")
	issued, err := issue.Output()
	if err != nil {
		t.Fatal(err)
	}

	address := serve(t, "--auth-tokens", tokens, "--auth-jwt-secret-file", secret)
	for _, token := range []string{static, strings.TrimSpace(string(issued))} {
		reaches(t, address, way{
			grpcurl: []string{"-plaintext", "-H", "authorization: Bearer " + token},
			probe:   []string{"-rpc-header", "authorization: Bearer " + token},
		})
	}
	for _, headers := range [][]string{
		nil,
		{"-H", "authorization: Bearer " + static + "x"},
		{"-H", "authorization: Basic am9objpkb2U="},
	} {
		arguments := append(headers, "-d", `{"id":"1"}`, address, "user.v1.UserService/GetUser")
		_, complaint, code := run(t, "grpcurl", slices.Concat(plain.grpcurl, arguments)...)
		if code != 64+16 || !strings.Contains(complaint, "Unauthenticated") {
			t.Errorf("%v: %d %s", headers, code, complaint)
		}
	}
	// Probes and reflection need no token.
	probed(t, 0, "SERVING", "-addr", address)
	said, complaint, code := run(t, "grpcurl", "-plaintext", address, "list")
	if code != 0 || !strings.Contains(said, "user.v1.UserService") {
		t.Errorf("reflection without a token: %d %s%s", code, said, complaint)
	}
}
