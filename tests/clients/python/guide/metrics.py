# Get service metrics
metrics_stub = metrics_pb2_grpc.MetricsStub(channel)
metrics = metrics_stub.GetMetrics(metrics_pb2.GetMetricsRequest())
