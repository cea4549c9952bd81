// Bytes: fixed-width little-endian numbers and length-prefixed texts, for the snapshots of monitors.
//
// Guarantee   What a reader cannot read gives zeroes and makes ok() false from then on; it never reads beyond its bytes.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace tidegate::drift {

static_assert(std::endian::native == std::endian::little, "the snapshots are little-endian");

class ByteWriter {
  public:
    explicit ByteWriter(std::string& out) : out_(out) {}
    template <class T>
        requires std::is_arithmetic_v<T>
    void put(T value) {
        const std::size_t at = out_.size();
        out_.resize(at + sizeof value);
        std::memcpy(out_.data() + at, &value, sizeof value);
    }
    void put_text(std::string_view text) {
        put(static_cast<std::uint32_t>(text.size()));
        out_.append(text);
    }

  private:
    std::string& out_;
};

class ByteReader {
  public:
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
    template <class T>
        requires std::is_arithmetic_v<T>
    T get() {
        T value{};
        if (rest_.size() < sizeof value) {
            ok_ = false;
            rest_ = {};
            return value;
        }
        rest_.copy(reinterpret_cast<char*>(&value), sizeof value);
        rest_.remove_prefix(sizeof value);
        return value;
    }
    bool get_bool() { return get<std::uint8_t>() != 0; }
    std::string get_text() {
        const auto size = get<std::uint32_t>();
        if (size > rest_.size()) {
            ok_ = false;
            rest_ = {};
            return {};
        }
        std::string text(rest_.substr(0, size));
        rest_.remove_prefix(size);
        return text;
    }
    /// A count of things that take `each` bytes at least; 0 when so many cannot be there.
    std::size_t get_count(std::size_t each) {
        const auto count = get<std::uint64_t>();
        if (count > rest_.size() / each) {
            ok_ = false;
            return 0;
        }
        return static_cast<std::size_t>(count);
    }
    bool ok() const noexcept { return ok_; }
    bool at_end() const noexcept { return ok_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace tidegate::drift
