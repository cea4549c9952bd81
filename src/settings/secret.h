// Secret: a value that can be used and compared, and never printed.
//
// Guarantee   No stream, no JSON, no format: a use that would print it does not compile. The bytes are wiped when the
//             Secret is destroyed, assigned or moved from; they live on the heap, so no short-string copy stays behind.
// Threads     As a plain value: one writer, or many readers.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>

namespace tidegate::settings {

class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string_view value);
    ~Secret();
    Secret(const Secret& other);
    Secret& operator=(const Secret& other);
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;

    /// False while no value, or the empty value, is set.
    bool is_set() const noexcept { return size_ > 0; }
    /// The bytes, as long as this Secret lives and is not assigned. Never log them.
    std::string_view reveal() const noexcept { return {bytes_.get(), size_}; }
    /// In time that depends on the lengths only.
    bool equals(std::string_view candidate) const noexcept;

  private:
    void wipe() noexcept;

    std::unique_ptr<char[]> bytes_;
    std::size_t size_ = 0;
};

std::ostream& operator<<(std::ostream&, const Secret&) = delete;

/// Overwrites the bytes of a string that held a secret, in a way the optimiser keeps, and empties it.
void wipe(std::string& text) noexcept;

}  // namespace tidegate::settings
