// A small writer of logs for tests, made from docs/audit-format.md alone, with OpenSSL's digests: if it and the log's own writer differ,
// one of them has misread the document.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::audit::verify {

using Hash = std::array<std::uint8_t, 32>;

std::string le(std::uint64_t value, std::size_t bytes);
void put_le(std::string& text, std::size_t at, std::uint64_t value, std::size_t bytes);
std::uint32_t crc32c_bitwise(std::string_view bytes);
Hash openssl_sha256(std::string_view bytes);
/// MTH by its definition, recursively.
Hash tree_root(const std::vector<Hash>& leaves, std::size_t begin, std::size_t end);
std::string base64(std::string_view bytes);

struct RecordText {
    std::uint64_t number = 0;
    std::string output = "{}";
    std::string error;  // Not empty: the status is `error`.
    std::vector<std::pair<std::string, std::int64_t>> stages{{"model", 1200}};
    std::vector<std::pair<std::string, std::string>> tags{{"region", "eu"}};
    double confidence = 0.5;
};
std::string record_bytes(const RecordText& text);

/// Ed25519 from a seed of 32 equal bytes.
class TestKey {
  public:
    TestKey(std::string name, char seed);
    const std::string& name() const { return name_; }
    std::string verifier() const;
    /// `— name base64` with its line feed.
    std::string signature_line(std::string_view text) const;
    std::string checkpoint(std::uint64_t size, const Hash& root, std::string_view origin = {}) const;

  private:
    std::string id() const;
    std::string name_;
    std::string seed_;
    std::string public_;
};

/// What a test may do to a log before it is written out: records can be changed, and everything derived is made anew around them.
struct TestLog {
    struct Segment {
        std::vector<std::vector<std::string>> batches;  // Records.
        bool sealed = true;
    };
    std::vector<Segment> segments;
    std::string checkpoints;
    std::uint64_t file_size = 256U * 1024;
    std::string log_id = std::string("0123456789abcdef");
    bool with_head = true;

    std::vector<Hash> leaves() const;
    Hash root(std::size_t size) const;
    std::uint64_t size() const { return leaves().size(); }
    /// Appends a checkpoint over the first `size` leaves as they are now.
    void sign(const TestKey& key, std::uint64_t size);
    /// Writes all files into `folder`.
    void write(const std::string& folder) const;
    /// The record of leaf `n`.
    std::string& record(std::size_t n);
};
/// `segments` segments of 3 batches of `per_batch` records; the last is not sealed.
TestLog make_log(std::size_t segments, std::size_t per_batch);

std::string read_bytes(const std::string& path);
void write_bytes(const std::string& path, std::string_view bytes);
std::string segment_path(const std::string& folder, std::uint64_t generation);

}  // namespace tidegate::audit::verify
