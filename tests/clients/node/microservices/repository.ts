// What the page names and does not show: the repository, in memory.

interface User {
  id: string;
  email: string;
  name: string;
  role: string;
}

const users: User[] = [];

export const userRepository = {
  async findById(id: string): Promise<User | undefined> {
    return users.find((user) => user.id === id);
  },

  async create(request: Omit<User, 'id'>): Promise<User> {
    const user = { ...request, id: String(users.length + 1) };
    users.push(user);
    return user;
  },

  async list(pageSize: number, _pageToken: string): Promise<User[]> {
    return users.slice(0, pageSize || users.length);
  },
};
