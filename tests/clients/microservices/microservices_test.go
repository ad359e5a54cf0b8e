// Package microservices runs the Go samples of the page on gRPC microservices,
// laid out as the page has them: its client against the server under test, and
// its server behind a gateway.
package microservices

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/myorg/api/client"
	userv1 "github.com/myorg/api/gen/user/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set; run `cargo xtask test go`", name)
	}
	return value
}

func TestClient(t *testing.T) {
	address := setting(t, "PORTOLAN_ADDRESS")
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// The page's client only reads, so the users come from the stub below it.
	stub := userv1.NewUserServiceClient(conn)
	made := map[string]*userv1.User{}
	for _, name := range []string{"Ada", "Grace", "Barbara"} {
		created, err := stub.CreateUser(ctx, &userv1.CreateUserRequest{
			Email: strings.ToLower(name) + "@microservices.example", Name: name,
		})
		if err != nil {
			t.Fatal(err)
		}
		id := created.GetUser().GetId()
		made[id] = created.GetUser()
		defer stub.DeleteUser(ctx, &userv1.DeleteUserRequest{Id: id})
	}

	users, err := client.NewUserClient(address)
	if err != nil {
		t.Fatal(err)
	}
	defer users.Close()
	for id, want := range made {
		got, err := users.GetUser(ctx, id)
		if err != nil || got.GetName() != want.GetName() || got.GetEmail() != want.GetEmail() {
			t.Fatalf("got %v %v, want %v", got, err, want)
		}
	}
	_, err = users.GetUser(ctx, "999999")
	if status.Code(err) != codes.NotFound || status.Convert(err).Message() != "User not found" {
		t.Fatalf("nobody: %v", err)
	}
	all, err := users.ListUsers(ctx, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range all {
		delete(made, user.GetId())
	}
	if len(made) > 0 {
		t.Fatalf("%v are not listed", made)
	}
	one, err := users.ListUsers(ctx, 1)
	if err != nil || len(one) != 1 {
		t.Fatalf("a page of one: %v %v", one, err)
	}
}

// TestServer reaches the page's server through a gateway that is told nothing
// but its address: the contract comes by reflection.
func TestServer(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "server")
	build := exec.Command("go", "build", "-o", binary, "./cmd/server")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	server := exec.Command(binary)
	server.Env = append(os.Environ(), "ADDRESS=127.0.0.1:0")
	log, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	upstream := "http://" + start(t, server, log, `gRPC server on (\S+)`)
	gateway := exec.Command(setting(t, "PORTOLAN_BINARY"),
		"gateway", "--listen", "127.0.0.1:0", "--upstream", upstream)
	out, err := gateway.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	url := start(t, gateway, out, `listening on (\S+)`)

	code, body := call(t, "GET", url+"/v1/users/1", "", "")
	want(t, code, body, 401, `{"code":16,"message":"missing token","details":[]}`)
	token := "Bearer the-page"
	code, body = call(t, "GET", url+"/v1/users/1", "", token)
	want(t, code, body, 404, `{"code":5,"message":"user not found: no user 1","details":[]}`)
	code, body = call(t, "POST", url+"/v1/users",
		`{"email":"ada@example.com","name":"Ada","role":"USER_ROLE_ADMIN"}`, token)
	if code != 200 || !strings.Contains(body, `"id":"1"`) {
		t.Fatalf("created: %d %s", code, body)
	}
	code, body = call(t, "POST", url+"/v1/users:batchCreate",
		`[{"email":"b@example.com","name":"B"},{"email":"c@example.com","name":"C"}]`, token)
	if code != 200 || !strings.Contains(body, `"createdCount":2`) {
		t.Fatalf("created two: %d %s", code, body)
	}
	code, body = call(t, "GET", url+"/v1/users?page_size=2", "", token)
	var users []struct{ Name, Role string }
	if err := json.Unmarshal([]byte(body), &users); code != 200 || err != nil {
		t.Fatalf("listed: %d %s %v", code, body, err)
	}
	if len(users) != 2 || users[0].Name != "Ada" || users[0].Role != "USER_ROLE_ADMIN" {
		t.Fatalf("listed: %s", body)
	}
}

// start runs a program until the test ends and gives what it says of where it
// listens.
func start(t *testing.T, program *exec.Cmd, said io.Reader, announcement string) string {
	t.Helper()
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		program.Process.Kill()
		program.Wait()
	})
	pattern := regexp.MustCompile(announcement)
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if found := pattern.FindStringSubmatch(lines.Text()); found != nil {
			// Read on, so that the program never waits for a reader.
			go io.Copy(io.Discard, said)
			return found[1]
		}
	}
	t.Fatalf("%s says nothing of where it listens", program.Path)
	return ""
}

func call(t *testing.T, method, url, body, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("content-type", "application/json")
	}
	if token != "" {
		request.Header.Set("authorization", token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

func want(t *testing.T, code int, body string, wantCode int, wantBody string) {
	t.Helper()
	if code != wantCode || body != wantBody {
		t.Fatalf("got %d %s, want %d %s", code, body, wantCode, wantBody)
	}
}
