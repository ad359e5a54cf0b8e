package clients

import (
	"context"
	"log"
	"testing"

	pb "somafractalmemory/v1"

	"google.golang.org/grpc"
)

// TestGuide is the Go example of the integration guide, line by line. Three
// things are added that it leaves open: the address, the import of log, and
// what becomes of the memory.
func TestGuide(t *testing.T) {
	conn, err := grpc.Dial(address(t), grpc.WithInsecure())
	if err != nil {
		log.Fatalf("Failed to connect: %v", err)
	}
	defer conn.Close()

	client := pb.NewMemoryServiceClient(conn)

	// Store memory
	memory, err := client.StoreMemory(context.Background(), &pb.StoreMemoryRequest{
		Content:  "Example content",
		Metadata: map[string]string{"type": "note"},
		Vector:   []float32{0.1, 0.2, 0.3},
	})

	if err != nil {
		t.Fatal(err)
	}
	if memory.GetId() == "" || memory.GetContent() != "Example content" {
		t.Fatalf("stored %v", memory)
	}
}
