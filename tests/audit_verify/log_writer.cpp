#include "audit_verify/log_writer.h"

#include <openssl/evp.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/assert.h"

namespace tidegate::audit::verify {
namespace {

constexpr std::size_t kWrittenBlock = 4096;

std::string_view chars(const Hash& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}
const std::uint8_t* bytes(std::string_view text) {
    return reinterpret_cast<const std::uint8_t*>(text.data());
}

std::string magic(const char* letters, unsigned version = 1) {
    return std::string("\xF5") + letters + le(version, 2);
}

void seal_block(std::string& block) {
    put_le(block, kWrittenBlock - 4, crc32c_bitwise(std::string_view(block).substr(0, kWrittenBlock - 4)), 4);
}

std::string batch_text(const TestLog& log, std::uint64_t generation, std::uint64_t sequence, std::uint64_t first_leaf,
                       const std::vector<std::string>& records) {
    std::string payload;
    for (const std::string& record : records) payload += le(record.size(), 4) + record;
    std::string text = magic("TGBATCH") + le(0, 2) + le(records.size(), 4) + log.log_id + le(generation, 8) +
                       le(sequence, 8) + le(first_leaf, 8) + le(payload.size(), 4) + le(0, 4) +
                       le(1'700'000'000'000, 8);
    text.resize(124);
    text += le(crc32c_bitwise(text + payload), 4) + payload;
    text.resize((text.size() + kWrittenBlock - 1) / kWrittenBlock * kWrittenBlock);
    return text;
}

std::string peaks_of(const std::vector<Hash>& leaves, std::size_t size) {
    std::string peaks;
    for (std::size_t begin = 0; begin < size;) {
        const std::size_t width = std::bit_floor(size - begin);
        peaks += chars(tree_root(leaves, begin, begin + width));
        begin += width;
    }
    return peaks;
}

std::string segment_header(const TestLog& log, std::uint64_t generation, std::uint64_t first_leaf) {
    std::string block = magic("TGSEGMT", 2) + le(0, 2) + le(static_cast<std::uint64_t>(std::popcount(first_leaf)), 4) +
                        log.log_id + le(generation, 8) + le(first_leaf, 8) + le(log.file_size, 8) +
                        le(1'700'000'000'000, 8) + std::string(32, '\0') + std::string(chars(log.root(first_leaf))) +
                        peaks_of(log.leaves(), first_leaf);
    block.resize(kWrittenBlock);
    seal_block(block);
    return block;
}

std::string hex(std::string_view text) {
    std::string out;
    for (const char c : text) {
        out += "0123456789abcdef"[static_cast<std::uint8_t>(c) >> 4U];
        out += "0123456789abcdef"[static_cast<std::uint8_t>(c) & 15U];
    }
    return out;
}

std::string footer_text(const TestLog& log, const TestLog::Segment& segment, std::uint64_t generation,
                        std::uint64_t first_leaf, std::uint64_t data_end) {
    std::uint64_t records = 0;
    std::uint64_t earliest = ~std::uint64_t{0};
    std::uint64_t latest = 0;
    for (const auto& batch : segment.batches) {
        for (const std::string& record : batch) {
            std::uint64_t recorded = 0;
            for (std::size_t i = 8; i-- > 0;) recorded = recorded << 8U | static_cast<std::uint8_t>(record[8 + i]);
            earliest = std::min(earliest, recorded);
            latest = std::max(latest, recorded);
            ++records;
        }
    }
    const std::uint64_t end = first_leaf + records;
    const std::string peaks = peaks_of(log.leaves(), end);
    std::string block = magic("TGFOOTR") + le(0, 2) + le(peaks.size() / 32, 4) + log.log_id + le(generation, 8) +
                        le(first_leaf, 8) + le(records, 8) + le(segment.batches.size(), 8) + le(data_end, 8) +
                        le(records == 0 ? 0 : earliest, 8) + le(latest, 8) + le(0, 8) +
                        std::string(chars(log.root(end))) + peaks;
    block.resize(kWrittenBlock);
    seal_block(block);
    return block;
}

}  // namespace

std::string le(std::uint64_t value, std::size_t size) {
    std::string text(size, '\0');
    put_le(text, 0, value, size);
    return text;
}

void put_le(std::string& text, std::size_t at, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) text[at + i] = static_cast<char>(value >> (8 * i) & 0xFFU);
}

std::uint32_t crc32c_bitwise(std::string_view text) {
    std::uint32_t crc = ~0U;
    for (const char c : text) {
        crc ^= static_cast<std::uint8_t>(c);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1U ^ ((crc & 1U) != 0 ? 0x82F63B78U : 0U);
    }
    return ~crc;
}

Hash openssl_sha256(std::string_view text) {
    Hash hash;
    unsigned size = 0;
    TG_ASSERT(EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr) == 1 && size == 32);
    return hash;
}

Hash tree_root(const std::vector<Hash>& leaves, std::size_t begin, std::size_t end) {
    if (begin == end) return openssl_sha256({});
    if (end - begin == 1) return leaves[begin];
    const std::size_t middle = begin + std::bit_floor(end - begin - 1);
    std::string text("\x01");
    text += chars(tree_root(leaves, begin, middle));
    text += chars(tree_root(leaves, middle, end));
    return openssl_sha256(text);
}

std::string base64(std::string_view text) {
    std::string out((text.size() + 2) / 3 * 4 + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(out.data()), bytes(text), static_cast<int>(text.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

std::string record_bytes(const RecordText& text) {
    const std::string request = "request-" + std::to_string(text.number);
    const std::string names[] = {"tenant", "key:1", "provenance", "detect/text", "model", "2", "ai"};
    std::string r;
    r += '\x01';
    r += '\x01';
    r += text.error.empty() ? '\0' : '\x01';
    r += '\x01';
    r += '\x01';
    r += static_cast<char>(text.stages.size());
    r += static_cast<char>(text.tags.size());
    r += '\0';
    r += le(1'700'000'000'000 + text.number, 8);
    std::string id = "\x01\x8b\xcf\xe5\x68\x01\x70\x02\x80";
    id += le(text.number, 7);
    r += id + std::string(16, 't') + std::string(32, 'h') + le(321, 8) +
         le(std::bit_cast<std::uint64_t>(text.confidence), 8);
    r += le(1500, 8) + le(2000, 8) + le(17, 8) + le(text.output.size(), 4) + le(text.error.size(), 2);
    r += static_cast<char>(request.size());
    for (const std::string& name : names) r += static_cast<char>(name.size());
    r += le(0, 2) + request;
    for (const std::string& name : names) r += name;
    r += text.error + text.output;
    for (const auto& [name, us] : text.stages) {
        r += static_cast<char>(name.size());
        r += name + le(static_cast<std::uint64_t>(us), 8);
    }
    for (const auto& [name, value] : text.tags) {
        r += static_cast<char>(name.size());
        r += le(value.size(), 2) + name + value;
    }
    return r;
}

TestKey::TestKey(std::string name, char seed) : name_(std::move(name)), seed_(32, seed), public_(32, '\0') {
    EVP_PKEY* key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes(seed_), seed_.size());
    std::size_t size = public_.size();
    TG_ASSERT(EVP_PKEY_get_raw_public_key(key, reinterpret_cast<std::uint8_t*>(public_.data()), &size) == 1);
    EVP_PKEY_free(key);
}

std::string TestKey::id() const {
    return std::string(chars(openssl_sha256(name_ + "\n\x01" + public_)).substr(0, 4));
}

std::string TestKey::verifier() const {
    return name_ + "+" + hex(id()) + "+" + base64("\x01" + public_);
}

std::string TestKey::signature_line(std::string_view text) const {
    EVP_PKEY* key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes(seed_), seed_.size());
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::string signature(64, '\0');
    std::size_t size = signature.size();
    TG_ASSERT(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key) == 1);
    TG_ASSERT(EVP_DigestSign(context, reinterpret_cast<std::uint8_t*>(signature.data()), &size, bytes(text),
                             text.size()) == 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return "\xE2\x80\x94 " + name_ + " " + base64(id() + signature) + "\n";
}

std::string TestKey::checkpoint(std::uint64_t size, const Hash& root, std::string_view origin) const {
    const std::string text = std::string(origin.empty() ? name_ : origin) + "\n" + std::to_string(size) + "\n" +
                             base64(chars(root)) + "\ntime 1700000000000\n";
    return text + "\n" + signature_line(text);
}

std::vector<Hash> TestLog::leaves() const {
    std::vector<Hash> hashes;
    for (const Segment& segment : segments) {
        for (const auto& batch : segment.batches) {
            for (const std::string& record : batch) hashes.push_back(openssl_sha256(std::string(1, '\0') + record));
        }
    }
    return hashes;
}

Hash TestLog::root(std::size_t size) const {
    return tree_root(leaves(), 0, size);
}

void TestLog::sign(const TestKey& key, std::uint64_t size) {
    checkpoints += key.checkpoint(size, root(size)) + "\n";
}

std::string& TestLog::record(std::size_t n) {
    for (Segment& segment : segments) {
        for (auto& batch : segment.batches) {
            if (n < batch.size()) return batch[n];
            n -= batch.size();
        }
    }
    TG_ASSERT(false);
}

void TestLog::write(const std::string& folder) const {
    std::uint64_t leaf = 0;
    std::uint64_t sealed_generation = 0;
    std::uint64_t sealed_leaves = 0;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        std::string file = segment_header(*this, i + 1, leaf);
        const std::uint64_t first_leaf = leaf;
        for (std::size_t sequence = 0; sequence < segments[i].batches.size(); ++sequence) {
            file += batch_text(*this, i + 1, sequence, leaf, segments[i].batches[sequence]);
            leaf += segments[i].batches[sequence].size();
        }
        const std::uint64_t data_end = file.size();
        TG_ASSERT(data_end + kWrittenBlock <= file_size);
        file.resize(file_size);
        if (segments[i].sealed) {
            const std::string footer = footer_text(*this, segments[i], i + 1, first_leaf, data_end);
            file.replace(file.size() - kWrittenBlock, kWrittenBlock, footer);
            sealed_generation = i + 1;
            sealed_leaves = leaf;
        }
        write_bytes(segment_path(folder, i + 1), file);
    }
    write_bytes(folder + "/checkpoints", checkpoints);
    if (!with_head) return;
    std::string head = "tidegate audit head 1\nlog " + hex(log_id) + "\nsealed " + std::to_string(sealed_generation) +
                       " " + std::to_string(sealed_leaves) + "\nkept 1 0\nroot " + hex(chars(root(sealed_leaves))) +
                       "\n";
    std::string crc = le(crc32c_bitwise(head), 4);
    crc = {crc[3], crc[2], crc[1], crc[0]};
    write_bytes(folder + "/HEAD", head + "crc32c " + hex(crc) + "\n");
}

TestLog make_log(std::size_t segments, std::size_t per_batch) {
    TestLog log;
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < segments; ++i) {
        TestLog::Segment segment;
        segment.sealed = i + 1 < segments;
        for (int b = 0; b < 3; ++b) {
            std::vector<std::string> records;
            for (std::size_t n = 0; n < per_batch; ++n, ++number) {
                records.push_back(record_bytes({.number = number, .output = std::string(number % 90, 'o')}));
            }
            segment.batches.push_back(std::move(records));
        }
        log.segments.push_back(std::move(segment));
    }
    return log;
}

std::string read_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(text.data(), static_cast<std::streamsize>(text.size()));
}

std::string segment_path(const std::string& folder, std::uint64_t generation) {
    std::string digits = std::to_string(generation);
    return folder + "/" + std::string(12 - digits.size(), '0') + digits + ".segment";
}

}  // namespace tidegate::audit::verify
