def message_generator():
    messages = ['Hello', 'How are you?', 'Goodbye']
    for msg in messages:
        yield users_pb2.ChatMessage(
            user_id='user123',
            content=msg,
            timestamp=Timestamp()
        )

# Bidirectional stream
responses = stub.Chat(message_generator())

for response in responses:
    print(f'{response.user_id}: {response.content}')
