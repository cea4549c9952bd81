#include "model/text/tokenizer.h"

#include <utility>

#include "base/utf8.h"
#include "model/text/tokenizer_parts.h"
#include "model/text/unicode.h"

namespace tidegate::model {
namespace {

using text_detail::TextTokens;

// What a thread uses again from text to text.
struct Workspace {
    AlignedText text, part;
    Normalizer::Scratch normalizer;
    PreTokenizer::Scratch words;
    Bpe::Scratch bpe;
    std::vector<AddedTokens::Piece> plain, normal;
    std::vector<WordToken> tokens;
    std::vector<std::uint32_t> char_index;
    std::array<TextTokens, 2> texts;
};

// Behind a pointer, so that it can be given back after a text that made it large.
Workspace& workspace() {
    thread_local std::unique_ptr<Workspace> own;
    if (!own) own = std::make_unique<Workspace>();
    constexpr std::size_t kEntryMax = sizeof(Range) + sizeof(WordToken);
    if (own->text.memory() + own->words.words.capacity() * kEntryMax +
            own->texts[0].ids.capacity() * 4 * sizeof(Range) >
        Tokenizer::kScratchMax) {
        own = std::make_unique<Workspace>();
    }
    return *own;
}

// One text on its way to tokens.
class Run {
  public:
    Run(const Vocabulary& vocabulary, const Normalizer& normalizer, const AddedTokens& added,
        const PreTokenizer& pre_tokenizer, const std::variant<WordPiece, Bpe>& model, Workspace& space, TextTokens& out)
        : vocabulary_(vocabulary),
          normalizer_(normalizer),
          added_(added),
          pre_tokenizer_(pre_tokenizer),
          model_(model),
          space_(space),
          out_(out) {}

    /// Stops behind the word with which there are more than `enough` tokens.
    Result<void> text(std::string_view text, bool with_offsets, std::size_t enough) {
        with_offsets_ = with_offsets;
        enough_ = enough;
        out_.clear();
        space_.plain.clear();
        added_.find(text, false, space_.plain);
        for (const AddedTokens::Piece& piece : space_.plain) {
            if (out_.ids.size() > enough_) break;
            if (piece.token != nullptr) {
                add_token(*piece.token, piece.range, piece.range.end - piece.range.begin);
                continue;
            }
            space_.text.assign(text.substr(piece.range.begin, piece.range.end - piece.range.begin), piece.range.begin);
            TG_CHECK(normalizer_.apply(space_.text, space_.normalizer));
            TG_CHECK(added_.has_normalized() ? pieces() : words(space_.text));
        }
        return {};
    }

  private:
    Result<void> pieces() {
        space_.normal.clear();
        added_.find(space_.text.view(), true, space_.normal);
        for (const AddedTokens::Piece& piece : space_.normal) {
            if (piece.token != nullptr) {
                add_token(*piece.token, space_.text.source(piece.range.begin, piece.range.end),
                          piece.range.end - piece.range.begin);
                continue;
            }
            space_.part.assign(space_.text, piece.range.begin, piece.range.end);
            TG_CHECK(words(space_.part));
        }
        return {};
    }

    Result<void> words(AlignedText& text) {
        TG_CHECK(pre_tokenizer_.apply(text, space_.words));
        if (const auto* const pieces = std::get_if<WordPiece>(&model_)) {
            each_word(text, [&](std::string_view word) { pieces->tokenize(word, space_.tokens); });
        } else {
            const Bpe& bpe = std::get<Bpe>(model_);
            each_word(text, [&](std::string_view word) { bpe.tokenize(word, vocabulary_, space_.bpe, space_.tokens); });
        }
        return {};
    }

    template <class Tokenize>
    void each_word(const AlignedText& text, Tokenize&& tokenize) {
        const std::string_view view = text.view();
        for (const Range word : space_.words.words) {
            if (out_.ids.size() > enough_) return;
            space_.tokens.clear();
            tokenize(view.substr(word.begin, word.end - word.begin));
            for (const WordToken& token : space_.tokens) {
                out_.ids.push_back(token.id);
                if (!with_offsets_) continue;
                out_.offsets.push_back(text.source(word.begin + token.begin, word.begin + token.end));
                out_.words.push_back(word_);
            }
            ++word_;
        }
    }

    void add_token(const AddedToken& token, Range source, std::uint32_t size) {
        if (with_offsets_) {
            if (size != token.content.size())
                out_.stripped.push_back({static_cast<std::uint32_t>(out_.ids.size()), source});
            out_.offsets.push_back(source);
            out_.words.push_back(word_);
        }
        out_.ids.push_back(token.id);
        ++word_;
    }

    const Vocabulary& vocabulary_;
    const Normalizer& normalizer_;
    const AddedTokens& added_;
    const PreTokenizer& pre_tokenizer_;
    const std::variant<WordPiece, Bpe>& model_;
    Workspace& space_;
    TextTokens& out_;
    bool with_offsets_ = true;
    std::size_t enough_ = SIZE_MAX;
    std::uint32_t word_ = 0;
};

Result<bool> check_text(std::string_view text) {
    if (text.size() > Tokenizer::kTextMax) return fail(ErrorCode::kTooLarge, "a text of more than 16 MiB");
    if (unicode::is_ascii(text)) return true;
    if (!utf8::is_valid(text)) return fail(ErrorCode::kInvalidArgument, "a text that is no UTF-8");
    return false;
}

}  // namespace

void Encoding::clear() noexcept {
    ids.clear();
    type_ids.clear();
    attention_mask.clear();
    special_mask.clear();
    offsets.clear();
    char_offsets.clear();
    words.clear();
    is_truncated = false;
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<void> Tokenizer::encode(std::string_view text, Encoding& out, const EncodeOptions& options) const {
    return encode_texts({&text, 1}, out, options);
}

Result<void> Tokenizer::encode_pair(std::string_view first, std::string_view second, Encoding& out,
                                    const EncodeOptions& options) const {
    const std::array<std::string_view, 2> texts{first, second};
    return encode_texts(texts, out, options);
}

Result<void> Tokenizer::encode_texts(std::span<const std::string_view> texts, Encoding& out,
                                     const EncodeOptions& options) const {
    out.clear();
    const bool is_pair = texts.size() == 2;
    Truncation how = impl_->truncation.value_or(Truncation{.tokens_max = SIZE_MAX});
    if (options.tokens_max != 0) how.tokens_max = options.tokens_max;
    const std::size_t specials = options.add_special_tokens ? special_tokens(is_pair) : 0;
    std::size_t limit = SIZE_MAX;
    if (options.truncate && how.tokens_max != SIZE_MAX) {
        if (how.tokens_max < specials) {
            return fail(ErrorCode::kFailedValidation,
                        "a limit of " + std::to_string(how.tokens_max) + " tokens has no room for the special tokens");
        }
        limit = how.tokens_max - specials;
    }
    Workspace& space = workspace();
    // What is cut off a single text at its end need not be made.
    const std::size_t enough = is_pair || how.from_left ? SIZE_MAX : limit;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        TG_TRY(const bool is_ascii, check_text(texts[i]));
        TextTokens& tokens = space.texts[i];
        Run run(impl_->vocabulary, impl_->normalizer, impl_->added, impl_->pre_tokenizer, impl_->model, space, tokens);
        TG_CHECK(run.text(texts[i], options.with_offsets, enough));
        if (options.with_offsets) text_detail::fill_char_offsets(texts[i], is_ascii, space.char_index, tokens);
    }
    TG_TRY(out.is_truncated, text_detail::truncate(how, limit, space.texts[0], is_pair ? &space.texts[1] : nullptr));
    for (std::size_t i = 0; i < texts.size() && options.with_offsets && impl_->post_processor.trims(); ++i) {
        text_detail::trim_offsets(texts[i], impl_->vocabulary, impl_->post_processor.keeps_first(), space.texts[i]);
    }
    text_detail::assemble(impl_->post_processor.form(is_pair), options, space.texts, out);
    if (options.pad && impl_->padding) text_detail::pad(*impl_->padding, options.with_offsets, out);
    return {};
}

std::size_t Tokenizer::vocabulary_size() const noexcept {
    return impl_->vocabulary.size();
}
std::string_view Tokenizer::token(std::uint32_t id) const noexcept {
    return impl_->vocabulary.token(id);
}
std::optional<std::uint32_t> Tokenizer::id(std::string_view token) const noexcept {
    return impl_->vocabulary.id(token);
}
const std::optional<Truncation>& Tokenizer::truncation() const noexcept {
    return impl_->truncation;
}
const std::optional<Padding>& Tokenizer::padding() const noexcept {
    return impl_->padding;
}
std::size_t Tokenizer::special_tokens(bool is_pair) const noexcept {
    return impl_->post_processor.specials(is_pair);
}

}  // namespace tidegate::model
