# Enable compression
options = [('grpc.default_compression_algorithm', grpc.Compression.Gzip)]
channel = grpc.insecure_channel('localhost:50051', options=options)
