// server.ts
import * as grpc from '@grpc/grpc-js';
import * as protoLoader from '@grpc/proto-loader';
import { userRepository } from './repository';

const PROTO_PATH = 'user/v1/user.proto';

const packageDefinition = protoLoader.loadSync(PROTO_PATH, {
  includeDirs: [process.env.PORTOLAN_PROTO],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});

const protoDescriptor = grpc.loadPackageDefinition(packageDefinition);
const userProto = (protoDescriptor.user as any).v1;

// Implementation
const userService = {
  getUser: async (
    call: grpc.ServerUnaryCall<any, any>,
    callback: grpc.sendUnaryData<any>
  ) => {
    try {
      const user = await userRepository.findById(call.request.id);
      if (!user) {
        return callback({
          code: grpc.status.NOT_FOUND,
          message: 'User not found',
        });
      }
      callback(null, { user });
    } catch (error) {
      callback({
        code: grpc.status.INTERNAL,
        message: error.message,
      });
    }
  },

  createUser: async (
    call: grpc.ServerUnaryCall<any, any>,
    callback: grpc.sendUnaryData<any>
  ) => {
    try {
      const user = await userRepository.create(call.request);
      callback(null, { user });
    } catch (error) {
      callback({
        code: grpc.status.INTERNAL,
        message: error.message,
      });
    }
  },

  // Server streaming
  listUsers: async (call: grpc.ServerWritableStream<any, any>) => {
    try {
      const users = await userRepository.list(
        call.request.page_size,
        call.request.page_token
      );

      for (const user of users) {
        call.write(user);
      }
      call.end();
    } catch (error) {
      call.destroy(error);
    }
  },
};

// Start server
function main() {
  const server = new grpc.Server();

  server.addService(userProto.UserService.service, userService);

  server.bindAsync(
    process.env.ADDRESS,
    grpc.ServerCredentials.createInsecure(),
    (error, port) => {
      if (error) {
        console.error('Failed to bind:', error);
        return;
      }
      console.log(`Server running on port ${port}`);
      server.start();
    }
  );
}

main();
