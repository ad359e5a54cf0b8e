// libprotobuf's streaming converter, measured by the benchmark's commands.
//
// One line in, one line out, words parted by tabs:
//   sample NAME TYPE JSON_FILE WIRE_FILE   ok
//   output NAME WAY FILE                   ok, and the output is in the file
//   time NAME WAY TIMES                    nanoseconds of the processor for all
//   allocations NAME WAY                   how many one message takes
// WAY is `read` (JSON to wire) or `write` (wire to JSON). The arguments are a
// descriptor set, and `per-call` for the library's public functions, which look
// the types up in every call, or `cached` for what is inside them with the
// types looked up once. For that the library's own headers are needed, and
// -fno-access-control, since it offers only half of it to the public.

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/type.pb.h>
#include <google/protobuf/util/internal/error_listener.h>
#include <google/protobuf/util/internal/json_objectwriter.h>
#include <google/protobuf/util/internal/json_stream_parser.h>
#include <google/protobuf/util/internal/protostream_objectsource.h>
#include <google/protobuf/util/internal/protostream_objectwriter.h>
#include <google/protobuf/util/internal/type_info.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

namespace pb = google::protobuf;
namespace util = google::protobuf::util;
namespace converter = google::protobuf::util::converter;

namespace {
uint64_t allocations = 0;
}

// Every allocation is counted; the counter is read around one message.
void* operator new(std::size_t size) {
  ++allocations;
  if (void* place = std::malloc(size == 0 ? 1 : size)) return place;
  throw std::bad_alloc();
}
void operator delete(void* place) noexcept { std::free(place); }
void operator delete(void* place, std::size_t) noexcept { std::free(place); }

namespace {

const char kPrefix[] = "type.googleapis.com";

struct Sample {
  std::string url;
  std::string json;
  std::string wire;
  const pb::Type* type;
  // One for each sample: the library fills a string to its capacity before it
  // writes, so that a small message would pay for a large one before it.
  std::string out;
};

uint64_t processor_time() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000u +
         static_cast<uint64_t>(time.tv_nsec);
}

std::string file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error(path + " cannot be read");
  return {std::istreambuf_iterator<char>(stream), {}};
}

void check(const util::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

// Keeps whether anything was wrong; what it was does not matter here.
class Listener : public converter::ErrorListener {
 public:
  void InvalidName(const converter::LocationTrackerInterface&, pb::StringPiece,
                   pb::StringPiece) override {
    failed = true;
  }
  void InvalidValue(const converter::LocationTrackerInterface&, pb::StringPiece,
                    pb::StringPiece) override {
    failed = true;
  }
  void MissingField(const converter::LocationTrackerInterface&,
                    pb::StringPiece) override {
    failed = true;
  }
  bool failed = false;
};

class Converter {
 public:
  Converter(const std::string& descriptors, bool cached) : cached_(cached) {
    pb::FileDescriptorSet set;
    if (!set.ParseFromString(file(descriptors))) {
      throw std::runtime_error(descriptors + " is no descriptor set");
    }
    for (const auto& each : set.file()) {
      if (pool_.BuildFile(each) == nullptr) {
        throw std::runtime_error(each.name() + " does not build");
      }
    }
    resolver_.reset(util::NewTypeResolverForDescriptorPool(kPrefix, &pool_));
    types_.reset(converter::TypeInfo::NewTypeInfo(resolver_.get()));
  }

  void add(const std::string& name, const std::string& type,
           const std::string& json, const std::string& wire) {
    const std::string url = std::string(kPrefix) + "/" + type;
    const pb::Type* found = types_->GetTypeByTypeUrl(url);
    if (found == nullptr) throw std::runtime_error("no type " + type);
    samples_[name] = Sample{url, file(json), file(wire), found, {}};
  }

  Sample& sample(const std::string& name) {
    return samples_.at(name);
  }

  // One message; the output takes the place of what `out` held.
  void convert(const Sample& sample, bool read, std::string* out) const {
    out->clear();
    if (read) {
      cached_ ? read_cached(sample, out)
              : check(util::JsonToBinaryString(resolver_.get(), sample.url,
                                               sample.json, out));
    } else {
      cached_ ? write_cached(sample, out)
              : check(util::BinaryToJsonString(resolver_.get(), sample.url,
                                               sample.wire, out));
    }
  }

 private:
  void read_cached(const Sample& sample, std::string* out) const {
    pb::strings::StringByteSink sink(out);
    Listener listener;
    converter::ProtoStreamObjectWriter writer(types_.get(), *sample.type, &sink,
                                              &listener);
    converter::JsonStreamParser parser(&writer);
    check(parser.Parse(sample.json));
    check(parser.FinishParse());
    if (listener.failed) throw std::runtime_error("not this message");
  }

  void write_cached(const Sample& sample, std::string* out) const {
    pb::io::ArrayInputStream bytes(sample.wire.data(),
                                   static_cast<int>(sample.wire.size()));
    pb::io::CodedInputStream input(&bytes);
    converter::ProtoStreamObjectSource source(
        &input, types_.get(), *sample.type,
        converter::ProtoStreamObjectSource::RenderOptions());
    pb::io::StringOutputStream stream(out);
    pb::io::CodedOutputStream output(&stream);
    converter::JsonObjectWriter writer("", &output);
    check(source.WriteTo(&writer));
  }

  const bool cached_;
  pb::DescriptorPool pool_;
  std::unique_ptr<util::TypeResolver> resolver_;
  std::unique_ptr<converter::TypeInfo> types_;
  std::map<std::string, Sample> samples_;
};

std::string answer(Converter& converter, const std::vector<std::string>& words) {
  const std::string& verb = words.at(0);
  if (verb == "sample") {
    converter.add(words.at(1), words.at(2), words.at(3), words.at(4));
    return "ok";
  }
  Sample& sample = converter.sample(words.at(1));
  const bool read = words.at(2) == "read";
  std::string& out = sample.out;
  if (verb == "output") {
    converter.convert(sample, read, &out);
    std::ofstream(words.at(3), std::ios::binary) << out;
    return "ok";
  }
  if (verb == "allocations") {
    converter.convert(sample, read, &out);
    const uint64_t before = allocations;
    converter.convert(sample, read, &out);
    return std::to_string(allocations - before);
  }
  if (verb == "time") {
    const uint64_t times = std::stoull(words.at(3));
    const uint64_t started = processor_time();
    for (uint64_t time = 0; time < times; ++time) {
      converter.convert(sample, read, &out);
      asm volatile("" : : "r"(out.data()) : "memory");
    }
    return std::to_string(processor_time() - started);
  }
  throw std::runtime_error("unknown command " + verb);
}

}  // namespace

int main(int count, char** arguments) try {
  if (count != 3) {
    std::cerr << "usage: converter DESCRIPTORS cached|per-call\n";
    return 2;
  }
  Converter converter(arguments[1], std::string(arguments[2]) == "cached");
  std::cout << "libprotobuf " << GOOGLE_PROTOBUF_VERSION / 1000000 << '.'
            << GOOGLE_PROTOBUF_VERSION / 1000 % 1000 << '.'
            << GOOGLE_PROTOBUF_VERSION % 1000 << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::vector<std::string> words;
    std::istringstream stream(line);
    for (std::string word; std::getline(stream, word, '\t');) {
      words.push_back(word);
    }
    try {
      std::cout << answer(converter, words) << std::endl;
    } catch (const std::exception& error) {
      std::cout << "error: " << error.what() << std::endl;
    }
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
