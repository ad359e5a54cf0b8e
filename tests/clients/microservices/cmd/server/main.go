// cmd/server/main.go
package main

import (
    "context"
    "io"
    "log"
    "net"
    "os"

    "google.golang.org/grpc"
    "google.golang.org/grpc/codes"
    "google.golang.org/grpc/health"
    "google.golang.org/grpc/health/grpc_health_v1"
    "google.golang.org/grpc/reflection"
    "google.golang.org/grpc/status"

    userv1 "github.com/myorg/api/gen/user/v1"
)

type userServer struct {
    userv1.UnimplementedUserServiceServer
    repo UserRepository
}

func (s *userServer) GetUser(ctx context.Context, req *userv1.GetUserRequest) (*userv1.GetUserResponse, error) {
    user, err := s.repo.GetByID(ctx, req.Id)
    if err != nil {
        return nil, status.Errorf(codes.NotFound, "user not found: %v", err)
    }

    return &userv1.GetUserResponse{
        User: toProtoUser(user),
    }, nil
}

func (s *userServer) CreateUser(ctx context.Context, req *userv1.CreateUserRequest) (*userv1.CreateUserResponse, error) {
    user, err := s.repo.Create(ctx, &User{
        Email: req.Email,
        Name:  req.Name,
        Role:  toModelRole(req.Role),
    })
    if err != nil {
        return nil, status.Errorf(codes.Internal, "failed to create user: %v", err)
    }

    return &userv1.CreateUserResponse{
        User: toProtoUser(user),
    }, nil
}

// Server streaming
func (s *userServer) ListUsers(req *userv1.ListUsersRequest, stream userv1.UserService_ListUsersServer) error {
    users, err := s.repo.List(stream.Context(), req.PageSize, req.PageToken)
    if err != nil {
        return status.Errorf(codes.Internal, "failed to list users: %v", err)
    }

    for _, user := range users {
        if err := stream.Send(toProtoUser(user)); err != nil {
            return err
        }
    }

    return nil
}

// Client streaming
func (s *userServer) BatchCreateUsers(stream userv1.UserService_BatchCreateUsersServer) error {
    var users []*userv1.User

    for {
        req, err := stream.Recv()
        if err == io.EOF {
            return stream.SendAndClose(&userv1.BatchCreateUsersResponse{
                Users:        users,
                CreatedCount: int32(len(users)),
            })
        }
        if err != nil {
            return err
        }

        user, err := s.repo.Create(stream.Context(), &User{
            Email: req.Email,
            Name:  req.Name,
        })
        if err != nil {
            return status.Errorf(codes.Internal, "failed to create user: %v", err)
        }

        users = append(users, toProtoUser(user))
    }
}

func main() {
    lis, err := net.Listen("tcp", os.Getenv("ADDRESS"))
    if err != nil {
        log.Fatalf("failed to listen: %v", err)
    }

    // Create server with interceptors
    server := grpc.NewServer(
        grpc.ChainUnaryInterceptor(
            loggingInterceptor,
            authInterceptor,
            recoveryInterceptor,
        ),
        grpc.ChainStreamInterceptor(
            streamLoggingInterceptor,
            streamAuthInterceptor,
        ),
    )

    // Register services
    userv1.RegisterUserServiceServer(server, &userServer{repo: NewUserRepository()})

    // Health check
    healthServer := health.NewServer()
    healthServer.SetServingStatus("user.v1.UserService", grpc_health_v1.HealthCheckResponse_SERVING)
    grpc_health_v1.RegisterHealthServer(server, healthServer)

    // Reflection for debugging
    reflection.Register(server)

    log.Println("Starting gRPC server on", lis.Addr())
    if err := server.Serve(lis); err != nil {
        log.Fatalf("failed to serve: %v", err)
    }
}
