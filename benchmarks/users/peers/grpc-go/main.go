// The service as one writes it with grpc-go: users in a map.
package main

import (
	"context"
	"log"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	userv1 "peers/gen/userv1"
)

type service struct {
	userv1.UnimplementedUserServiceServer
	lock  sync.RWMutex
	users map[string]*userv1.User
}

func (s *service) GetUser(_ context.Context, request *userv1.GetUserRequest) (*userv1.GetUserResponse, error) {
	s.lock.RLock()
	defer s.lock.RUnlock()
	user, known := s.users[request.GetId()]
	if !known {
		return nil, status.Error(codes.NotFound, "User not found")
	}
	return &userv1.GetUserResponse{User: user}, nil
}

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	then := &timestamppb.Timestamp{Seconds: 1_760_000_000}
	john := &userv1.User{
		Id:        "1",
		Email:     "john@example.com",
		Name:      "John Doe",
		Role:      userv1.UserRole_USER_ROLE_MEMBER,
		CreatedAt: then,
		UpdatedAt: then,
	}
	server := grpc.NewServer()
	userv1.RegisterUserServiceServer(server, &service{users: map[string]*userv1.User{"1": john}})
	log.Fatal(server.Serve(listener))
}
