// Headers: the fields of one message in the order they came, kept as the lines that will be sent.
//
// Guarantee   Names compare without regard to case. What add() was given comes back byte by byte; whether it may be written as it
//             stands is known (is_plain()), so that a field can never begin a line of its own.
// Memory      Two allocations, whatever the number of fields: the text of all lines, and where each begins. What is removed leaves
//             its bytes behind until clear(), so that a view of it stays good.
// Threads     A plain value; one thread at a time. Views are good until the next add() or clear().
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidegate::http {

class Headers {
    struct Span {
        std::uint32_t at = 0;  // Of the name; `: `, the value and the line's end follow it.
        std::uint32_t name_bytes = 0;
        std::uint32_t value_bytes = 0;
    };

  public:
    using Field = std::pair<std::string_view, std::string_view>;

    /// The fields as a range of name and value.
    class Fields {
      public:
        class iterator {
          public:
            using value_type = Field;
            using difference_type = std::ptrdiff_t;
            using iterator_concept = std::forward_iterator_tag;
            using iterator_category = std::input_iterator_tag;
            iterator() = default;
            iterator(const Headers* headers, std::size_t index) : headers_(headers), index_(index) {}
            Field operator*() const { return headers_->field(index_); }
            iterator& operator++() {
                ++index_;
                return *this;
            }
            iterator operator++(int) { return {headers_, index_++}; }
            friend bool operator==(const iterator&, const iterator&) = default;

          private:
            const Headers* headers_ = nullptr;
            std::size_t index_ = 0;
        };
        using const_iterator = iterator;
        using value_type = Field;

        explicit Fields(const Headers& headers) : headers_(&headers) {}
        iterator begin() const { return {headers_, 0}; }
        iterator end() const { return {headers_, headers_->spans_.size()}; }
        std::size_t size() const noexcept { return headers_->spans_.size(); }
        bool empty() const noexcept { return headers_->spans_.empty(); }
        Field operator[](std::size_t index) const { return headers_->field(index); }
        /// The same fields in the same order.
        friend bool operator==(const Fields& a, const Fields& b) noexcept;

      private:
        const Headers* headers_;
    };

    /// The arguments may be views into these headers.
    void add(std::string_view name, std::string_view value);
    /// Every field of `other`, which is another object.
    void append(const Headers& other);
    /// Replaces every field of that name.
    void set(std::string_view name, std::string_view value);
    void remove(std::string_view name) noexcept;
    /// The first field of that name.
    std::optional<std::string_view> get(std::string_view name) const noexcept;
    std::size_t count(std::string_view name) const noexcept;
    Fields fields() const noexcept { return Fields(*this); }
    std::size_t size() const noexcept { return spans_.size(); }
    void clear() noexcept;

    /// No name and no value holds a control character.
    bool is_plain() const noexcept { return plain_; }
    /// Every field as `Name: value\r\n`, when nothing was removed; else the caller has to go field by field.
    std::optional<std::string_view> lines() const noexcept {
        return holes_ ? std::nullopt : std::optional(std::string_view(text_));
    }
    /// The line of one field, with its end.
    std::string_view line(std::size_t index) const noexcept {
        const Span& span = spans_[index];
        return {text_.data() + span.at, std::size_t{span.name_bytes} + span.value_bytes + 4};
    }
    Field field(std::size_t index) const noexcept {
        const Span& span = spans_[index];
        const char* name = text_.data() + span.at;
        return {{name, span.name_bytes}, {name + span.name_bytes + 2, span.value_bytes}};
    }

  private:
    std::string text_;
    std::vector<Span> spans_;
    bool plain_ = true;
    bool holes_ = false;
};

}  // namespace tidegate::http
