#include "services/content/content_json.h"

#include <array>

#include "base/utf8.h"

namespace tidegate::content {
namespace {

using pipeline::FieldError;
using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

constexpr std::size_t kBodyCharactersMax = 1'000'000;
constexpr std::size_t kMetadataBytesMax = 16 * 1024;

constexpr std::array<std::string_view, 3> kIdNames{"content_id", "id", "_id"};
constexpr std::array<std::string_view, 5> kBodyNames{"body", "text", "document", "content", "text_content"};
constexpr std::array<std::string_view, 3> kAuthorNames{"author", "author_id", "author_name"};
constexpr std::array<std::string_view, 2> kUrlNames{"source_url", "url"};

/// The member under any of its names; an error where it stands there twice.
template <std::size_t kCount>
std::optional<FieldError> take_named(json::Value value, const std::array<std::string_view, kCount>& names,
                                     std::string& out) {
    bool there = false;
    for (const std::string_view name : names) {
        const auto found = value.find(name);
        if (!found || found->kind() == json::Kind::kNull) continue;
        if (there)
            return FieldError{std::string(name), "is another name of " + std::string(names[0]) + ": one of the two",
                              "not_allowed"};
        out = found->as_string();
        there = true;
    }
    return std::nullopt;
}

}  // namespace

Schema content_schema() {
    std::vector<Schema::Member> members;
    const auto add = [&](const auto& names, const Schema& schema, std::string doc) {
        for (std::size_t i = 0; i < names.size(); ++i) {
            members.push_back(optional(std::string(names[i]),
                                       schema.doc(i == 0 ? doc : "Another name of " + std::string(names[0]) + ".")));
        }
    };
    add(kIdNames, Schema::string().size(1, 128).nullable(),
        "Yours; the same again replaces the text. Absent: one is made.");
    add(kBodyNames, Schema::string().size(0, kBodyCharactersMax).nullable(), "The text.");
    add(kAuthorNames, Schema::string().size(0, 200).nullable(), "Who wrote it; a search can be limited to it.");
    add(kUrlNames, Schema::string().size(0, 2048).nullable(), "Where it comes from; once a tenant.");
    members.push_back(optional("title", Schema::string().size(0, 1000).nullable()));
    members.push_back(optional("platform", Schema::string().size(0, 64).nullable().doc(
                                               "web, rss, youtube ...; a search can be limited to it.")));
    members.push_back(optional("published_at", Schema::string().format("date-time").nullable()));
    members.push_back(
        optional("metadata", Schema::object({}).open().nullable().doc("Given back as it came; up to 16 KiB.")));
    return Schema::object(std::move(members));
}

std::optional<FieldError> read_content(json::Value value, Content& out) {
    static const Schema kSchema = content_schema();
    pipeline::Findings findings;
    kSchema.validate(value, "", findings);
    if (!findings.errors.empty()) return findings.errors.front();
    if (auto wrong = take_named(value, kIdNames, out.id)) return wrong;
    if (auto wrong = take_named(value, kBodyNames, out.body)) return wrong;
    if (auto wrong = take_named(value, kAuthorNames, out.author)) return wrong;
    if (auto wrong = take_named(value, kUrlNames, out.source_url)) return wrong;
    const auto take = [&](std::string_view name, std::string& to) {
        const auto found = value.find(name);
        if (found && found->kind() == json::Kind::kString) to = found->as_string();
    };
    take("title", out.title);
    take("platform", out.platform);
    take("published_at", out.published_at);
    const auto metadata = value.find("metadata");
    if (metadata && metadata->kind() == json::Kind::kObject) json::append(out.metadata, *metadata);
    if (out.metadata.size() > kMetadataBytesMax) return FieldError{"metadata", "is over 16 KiB", "too_long"};
    if (words_of(out.title).empty() && words_of(out.body).empty())
        return FieldError{"body", "and title hold no word", "missing"};
    return std::nullopt;
}

void write_content(JsonWriter& writer, const Content& content) {
    const auto text = [&](std::string_view name, const std::string& of) {
        writer.key(name);
        of.empty() ? writer.null() : writer.value(std::string_view(of));
    };
    writer.begin_object().field("content_id", content.id).field("title", content.title).field("body", content.body);
    text("author", content.author);
    text("platform", content.platform);
    text("source_url", content.source_url);
    text("published_at", content.published_at);
    writer.key("metadata")
        .raw(content.metadata.empty() ? std::string_view("null") : std::string_view(content.metadata));
    writer.field("stored_at", format_rfc3339(content.stored_ms)).end_object();
}

Schema stored_schema() {
    const Schema maybe = Schema::string().nullable();
    return Schema::object({required("content_id", Schema::string()), required("title", Schema::string()),
                           required("body", Schema::string()), required("author", maybe), required("platform", maybe),
                           required("source_url", maybe), required("published_at", maybe),
                           required("metadata", Schema::object({}).open().nullable()),
                           required("stored_at", Schema::string().format("date-time"))});
}

std::size_t characters_before(std::string_view text, std::uint32_t bytes) noexcept {
    return utf8::length(text.substr(0, bytes));
}

}  // namespace tidegate::content
