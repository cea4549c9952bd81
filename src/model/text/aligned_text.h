// AlignedText: a text under normalisation, which still knows for each of its bytes where in the original it came from.
//
// Position    Between the caller's text and the pieces a model cuts: normalisers rewrite it, tokens ask it for their offsets.
// Algorithm   Each code point carries the range of the original that it stands for. A rewrite is a list of code points with a change:
//             0 takes the place of one, 1 is put in beside the one before, -n takes the place of one and swallows n more;
//             so the offsets are those of the Python package, also where marks change places.
// Memory      Nothing is copied before the first rewrite. After it 9 bytes a byte, twice; kept for the next text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::model {

/// A half-open range, of bytes or of characters.
struct Range {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    friend bool operator==(const Range&, const Range&) = default;
};

class AlignedText {
  public:
    struct Change {
        char32_t c = 0;
        int change = 0;
    };

    /// `text` is bytes [base, base + size) of the original, valid UTF-8, and must outlive what is done before the first rewrite.
    void assign(std::string_view text, std::uint32_t base);
    /// The bytes [begin, end) of another text, with their origins.
    void assign(const AlignedText& other, std::size_t begin, std::size_t end);

    std::string_view view() const noexcept { return view_; }
    bool is_original() const noexcept { return is_original_; }
    /// Where the bytes [begin, end) came from; a part of a character stands for the whole of it.
    Range source(std::size_t begin, std::size_t end) const noexcept;

    // A rewrite: start(), put() what the text is from now on, finish(). view() and source() tell of the old text until finish().
    void start();
    void put(char32_t c, Range from);
    void put(std::string_view bytes, Range from);
    /// The old bytes [begin, end) as they are.
    void keep(std::size_t begin, std::size_t end);
    void finish();
    /// The size of what was put since start().
    std::size_t put_size() const noexcept { return next_.size(); }

    /// The whole text becomes `changes`; the first `skipped` characters of the old one are dropped before them.
    void transform(std::span<const Change> changes, std::size_t skipped);
    /// In place, where lengths stay as they are: ASCII to lower case and line ends to spaces.
    void fold_ascii(bool lower, bool clean);

    /// Bytes that it holds for the next text.
    std::size_t memory() const noexcept;

  private:
    Range from_of(std::size_t at) const noexcept;

    std::string_view view_;
    std::uint32_t base_ = 0;
    bool is_original_ = true;
    std::string bytes_, next_;
    std::vector<Range> from_, next_from_;
};

}  // namespace tidegate::model
