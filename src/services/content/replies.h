// How the routes over the ledger answer: reads on a pool's thread, changes through the ledger's writer; and the words they share.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "services/content/content.h"

namespace tidegate::content {

/// The JSON of the answer, from the books as they are.
using BooksRead = std::function<Result<std::string>(Books& books, const Actor& actor)>;
void answer_read(const pipeline::ContextPtr& context, ContentService& service, const BooksRead& read);

/// The JSON of the answer, after the change; `status` of a change that was made.
using BooksChange = std::function<Result<std::string>(Books& books, const Actor& actor)>;
/// Under the request's Idempotency-Key (or `idempotency_key` of the body), if it has one.
void answer_change(const pipeline::ContextPtr& context, ContentService& service, int status, BooksChange change);

/// A text member of the body; empty: it is not there.
std::string text_of(json::Value body, std::string_view name);
/// A member as the JSON it came in; `otherwise` where it is not there.
std::string json_of(json::Value body, std::string_view name, std::string_view otherwise);
/// `amount` of the body: a text or a number; nullopt: it is none.
std::optional<Units> amount_of(json::Value body);

struct PageAsk {
    std::size_t limit = 50;
    std::int64_t before = 0;
};
/// `limit` and `cursor`; answers 422 itself and gives nothing where they are wrong.
std::optional<PageAsk> page_ask(const pipeline::ContextPtr& context);
std::vector<pipeline::Parameter> page_parameters();
pipeline::Schema::Member idempotency_member();
pipeline::Schema page_schema(pipeline::Schema item);

void write_user(JsonWriter& writer, const User& user, const Actor& actor);
void write_card(JsonWriter& writer, const Card& card);
void write_attribution(JsonWriter& writer, const Attribution& one);
void write_transfer(JsonWriter& writer, const Transfer& one);
pipeline::Schema attribution_schema();

template <class T, class Write>
std::string page_json(const Page<T>& page, Write&& write) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().key("items").begin_array();
    for (const T& one : page.items) write(writer, one);
    writer.end_array().key("next_cursor");
    page.next > 0 ? writer.value(std::to_string(page.next)) : writer.null();
    writer.end_object();
    return out;
}

/// A GET of one page.
void add_page_route(std::vector<pipeline::Route>& routes, std::string path, std::string operation, std::string summary,
                    std::string parameter, pipeline::Handler handler, pipeline::Schema item);

}  // namespace tidegate::content
