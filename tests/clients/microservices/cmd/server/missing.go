package main

// What the page names and does not show: the repository, and the interceptors
// beside the two that it has.

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	userv1 "github.com/myorg/api/gen/user/v1"
)

// User is a user as the repository has it.
type User struct {
	ID    string
	Email string
	Name  string
	Role  userv1.UserRole
}

// UserRepository is what the page's server keeps its users in.
type UserRepository interface {
	GetByID(ctx context.Context, id string) (*User, error)
	Create(ctx context.Context, user *User) (*User, error)
	List(ctx context.Context, pageSize int32, pageToken string) ([]*User, error)
}

// NewUserRepository gives an empty one in memory.
func NewUserRepository() UserRepository {
	return &inMemory{}
}

type inMemory struct {
	mutex sync.Mutex
	users []*User
}

func (m *inMemory) GetByID(_ context.Context, id string) (*User, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, user := range m.users {
		if user.ID == id {
			return user, nil
		}
	}
	return nil, errors.New("no user " + id)
}

func (m *inMemory) Create(_ context.Context, user *User) (*User, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	user.ID = strconv.Itoa(len(m.users) + 1)
	m.users = append(m.users, user)
	return user, nil
}

func (m *inMemory) List(_ context.Context, pageSize int32, _ string) ([]*User, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if pageSize > 0 && int(pageSize) < len(m.users) {
		return slices.Clone(m.users[:pageSize]), nil
	}
	return slices.Clone(m.users), nil
}

func toProtoUser(user *User) *userv1.User {
	return &userv1.User{
		Id: user.ID, Email: user.Email, Name: user.Name, Role: user.Role,
		CreatedAt: timestamppb.Now(),
	}
}

func toModelRole(role userv1.UserRole) userv1.UserRole { return role }

// verifyToken knows one token.
func verifyToken(header string) (string, error) {
	if header != "Bearer the-page" {
		return "", errors.New("no such token")
	}
	return "somebody", nil
}

func recoveryInterceptor(
	ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (_ any, err error) {
	defer func() {
		if recover() != nil {
			err = status.Error(codes.Internal, "the handler panicked")
		}
	}()
	return handler(ctx, req)
}

func streamLoggingInterceptor(
	srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler,
) error {
	return handler(srv, stream)
}

// streamAuthInterceptor does what the page's authInterceptor does, but for
// reflection, of which the page says that debuggers use it.
func streamAuthInterceptor(
	srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler,
) error {
	if strings.HasPrefix(info.FullMethod, "/grpc.reflection.") {
		return handler(srv, stream)
	}
	md, _ := metadata.FromIncomingContext(stream.Context())
	tokens := md.Get("authorization")
	if len(tokens) == 0 {
		return status.Error(codes.Unauthenticated, "missing token")
	}
	if _, err := verifyToken(tokens[0]); err != nil {
		return status.Error(codes.Unauthenticated, "invalid token")
	}
	return handler(srv, stream)
}
