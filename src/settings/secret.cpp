#include "settings/secret.h"

#include <cstring>
#include <utility>

#include "base/hash.h"

namespace tidegate::settings {

Secret::Secret(std::string_view value) : bytes_(std::make_unique<char[]>(value.size())), size_(value.size()) {
    // The address of an empty view may be null, which memcpy does not take.
    if (!value.empty()) std::memcpy(bytes_.get(), value.data(), value.size());
}

Secret::~Secret() {
    wipe();
}

Secret::Secret(const Secret& other) : Secret(other.reveal()) {}

Secret& Secret::operator=(const Secret& other) {
    if (this != &other) *this = Secret(other);
    return *this;
}

Secret::Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe();
        bytes_ = std::move(other.bytes_);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

bool Secret::equals(std::string_view candidate) const noexcept {
    return equal_constant_time(reveal(), candidate);
}

void Secret::wipe() noexcept {
    if (bytes_ != nullptr) ::explicit_bzero(bytes_.get(), size_);
    bytes_.reset();
    size_ = 0;
}

void wipe(std::string& text) noexcept {
    ::explicit_bzero(text.data(), text.size());
    text.clear();
}

}  // namespace tidegate::settings
