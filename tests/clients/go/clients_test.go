// Package clients talks to a running server with google.golang.org/grpc, as a
// program in Go would: every kind of RPC, deadlines, errors, health.
package clients

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	pb "somafractalmemory/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// address is where the server under test listens.
func address(t *testing.T) string {
	t.Helper()
	value := os.Getenv("PORTOLAN_ADDRESS")
	if value == "" {
		t.Fatal("PORTOLAN_ADDRESS is not set; run `cargo xtask test go`")
	}
	return value
}

func connect(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address(t), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// namespace gives a context whose calls see only this test's memories.
func namespace(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, "x-namespace", "go-"+strings.ToLower(t.Name()))
}

// wantStatus fails unless the error has this code and this text.
func wantStatus(t *testing.T, err error, code codes.Code, message string) {
	t.Helper()
	got := status.Convert(err)
	if got.Code() != code || !strings.Contains(got.Message(), message) {
		t.Fatalf("got %v %q, want %v %q", got.Code(), got.Message(), code, message)
	}
}

func unit(dimension, axis int) []float32 {
	vector := make([]float32, dimension)
	vector[axis] = 1
	return vector
}

func TestUnaryCalls(t *testing.T) {
	client, ctx := pb.NewMemoryServiceClient(connect(t)), namespace(t)
	var stored []*pb.Memory
	for axis, content := range []string{"a red apple", "a green pear", "a blue plum"} {
		memory, err := client.StoreMemory(ctx, &pb.StoreMemoryRequest{
			Content:  content,
			Metadata: map[string]string{"axis": fmt.Sprint(axis)},
			Vector:   unit(4, axis),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000000Z", memory.GetCreatedAt()); err != nil {
			t.Fatalf("created_at: %v", err)
		}
		stored = append(stored, memory)
	}

	got, err := client.GetMemory(ctx, &pb.GetMemoryRequest{Id: stored[1].GetId()})
	if err != nil || !proto.Equal(got, stored[1]) {
		t.Fatalf("got %v %v, want %v", got, err, stored[1])
	}

	byVector, err := client.SearchVector(ctx, &pb.SearchVectorRequest{Vector: unit(4, 2), Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(byVector.GetMemories()) != 1 || byVector.GetMemories()[0].GetContent() != "a blue plum" ||
		byVector.GetScores()[0] < 0.9999 {
		t.Fatalf("by vector: %v", byVector)
	}

	byText, err := client.SearchText(ctx, &pb.SearchTextRequest{Query: "pear"})
	if err != nil || len(byText.GetMemories()) != 1 || byText.GetMemories()[0].GetId() != stored[1].GetId() {
		t.Fatalf("by text: %v %v", byText, err)
	}

	both, err := client.SearchHybrid(ctx, &pb.SearchHybridRequest{
		Query: "apple", Vector: unit(4, 0), Filters: map[string]string{"axis": "0"},
	})
	if err != nil || len(both.GetMemories()) != 1 || both.GetMemories()[0].GetId() != stored[0].GetId() {
		t.Fatalf("by both: %v %v", both, err)
	}

	if _, err := client.DeleteMemory(ctx, &pb.DeleteMemoryRequest{Id: stored[0].GetId()}); err != nil {
		t.Fatal(err)
	}
	_, err = client.GetMemory(ctx, &pb.GetMemoryRequest{Id: stored[0].GetId()})
	wantStatus(t, err, codes.NotFound, "Memory not found")

	figures, err := pb.NewMetricsClient(connect(t)).GetMetrics(ctx, &pb.GetMetricsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if figures.GetMemoriesTotal() != 2 || figures.GetVectorsTotal() != 2 || figures.GetDimension() != 4 {
		t.Fatalf("figures: %v", figures)
	}
}

func TestErrors(t *testing.T) {
	client, ctx := pb.NewMemoryServiceClient(connect(t)), namespace(t)
	if _, err := client.StoreMemory(ctx, &pb.StoreMemoryRequest{Vector: unit(384, 0)}); err != nil {
		t.Fatal(err)
	}
	_, err := client.StoreMemory(ctx, &pb.StoreMemoryRequest{Vector: unit(3, 0)})
	wantStatus(t, err, codes.InvalidArgument, "Invalid vector dimension: expected 384, got 3")
	_, err = client.GetMemory(ctx, &pb.GetMemoryRequest{Id: "00000000-0000-7000-8000-000000000000"})
	wantStatus(t, err, codes.NotFound, "Memory not found")
	_, err = client.GetMemory(ctx, &pb.GetMemoryRequest{})
	wantStatus(t, err, codes.InvalidArgument, "")
	_, err = client.SearchVector(ctx, &pb.SearchVectorRequest{Vector: unit(384, 0), Limit: 1001})
	wantStatus(t, err, codes.InvalidArgument, "")
	_, err = client.StoreMemory(ctx, &pb.StoreMemoryRequest{Content: strings.Repeat("a", 5<<20)})
	wantStatus(t, err, codes.ResourceExhausted, "")
}

func TestServerStream(t *testing.T) {
	client, ctx := pb.NewMemoryServiceClient(connect(t)), namespace(t)
	want := store(t, ctx, client, 1_000)
	stream, err := client.StreamMemories(ctx, &pb.StreamMemoriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for index, id := range want {
		memory, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if memory.GetId() != id {
			t.Fatalf("memory %d is %s, want %s", index, memory.GetId(), id)
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last: %v", err)
	}
}

func TestClientStream(t *testing.T) {
	client, ctx := pb.NewMemoryServiceClient(connect(t)), namespace(t)
	stream, err := client.BatchStoreMemories(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// The third fits no namespace that begins with four dimensions.
	for index, dimension := range []int{4, 4, 3, 4} {
		request := &pb.StoreMemoryRequest{Content: fmt.Sprint("item ", index), Vector: unit(dimension, 0)}
		if err := stream.Send(request); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := stream.CloseAndRecv()
	if err != nil {
		t.Fatal(err)
	}
	if answer.GetStoredCount() != 3 || len(answer.GetIds()) != 3 || len(answer.GetFailures()) != 1 {
		t.Fatalf("answer: %v", answer)
	}
	failure := answer.GetFailures()[0]
	if failure.GetIndex() != 2 || codes.Code(failure.GetCode()) != codes.InvalidArgument ||
		failure.GetMessage() != "Invalid vector dimension: expected 4, got 3" {
		t.Fatalf("failure: %v", failure)
	}
}

func TestDeadline(t *testing.T) {
	client, ctx := pb.NewMemoryServiceClient(connect(t)), namespace(t)
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	// A batch that the client never ends can only end by its deadline.
	stream, err := client.BatchStoreMemories(short)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pb.StoreMemoryRequest{Content: "then silence"}); err != nil {
		t.Fatal(err)
	}
	err = stream.RecvMsg(&pb.BatchStoreMemoriesResponse{})
	wantStatus(t, err, codes.DeadlineExceeded, "")
	if _, err := client.StoreMemory(ctx, &pb.StoreMemoryRequest{Content: "still there"}); err != nil {
		t.Fatal(err)
	}
}

func TestCancellation(t *testing.T) {
	client, ctx := pb.NewMemoryServiceClient(connect(t)), namespace(t)
	store(t, ctx, client, 1_000)
	cancelled, cancel := context.WithCancel(ctx)
	stream, err := client.StreamMemories(cancelled, &pb.StreamMemoriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	for err == nil {
		_, err = stream.Recv()
	}
	wantStatus(t, err, codes.Canceled, "")
	if _, err := client.StoreMemory(ctx, &pb.StoreMemoryRequest{Content: "still there"}); err != nil {
		t.Fatal(err)
	}
}

func TestGzip(t *testing.T) {
	client, ctx := pb.NewMemoryServiceClient(connect(t)), namespace(t)
	content := strings.Repeat("the same words again and again ", 10_000)
	zipped := grpc.UseCompressor(gzip.Name)
	stored, err := client.StoreMemory(ctx, &pb.StoreMemoryRequest{Content: content}, zipped)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.GetMemory(ctx, &pb.GetMemoryRequest{Id: stored.GetId()}, zipped)
	if err != nil || got.GetContent() != content {
		t.Fatalf("%d bytes came back, %v", len(got.GetContent()), err)
	}
}

func TestHealth(t *testing.T) {
	client, ctx := healthpb.NewHealthClient(connect(t)), namespace(t)
	for _, service := range []string{"", "somafractalmemory.v1.MemoryService", "somafractalmemory.v1.Metrics"} {
		answer, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil || answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Fatalf("%q: %v %v", service, answer, err)
		}
	}
	_, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: "no.such.Service"})
	wantStatus(t, err, codes.NotFound, "")
}

// store puts this many memories in by one batch and gives their ids.
func store(t *testing.T, ctx context.Context, client pb.MemoryServiceClient, count int) []string {
	t.Helper()
	stream, err := client.BatchStoreMemories(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for index := range count {
		// Noise, since a stream of what gzip can shorten would be over at once.
		noise := make([]byte, 5_000)
		rand.Read(noise)
		content := fmt.Sprintf("memory %d %x", index, noise)
		if err := stream.Send(&pb.StoreMemoryRequest{Content: content}); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := stream.CloseAndRecv()
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.GetIds()) != count {
		t.Fatalf("stored %d of %d: %v", len(answer.GetIds()), count, answer.GetFailures())
	}
	return answer.GetIds()
}
