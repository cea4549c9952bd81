#include "services/provenance/text_request.h"

#include "services/provenance/provenance.h"

namespace tidegate::provenance {

using pipeline::Schema;

const std::string_view kExampleRequest =
    R"({"text":"The old harbour wall has stood since my grandfather was a boy, and it still leaks in the same three places. )"
    R"(Every autumn somebody from the council comes down with a clipboard, looks at the water coming through, writes something, )"
    R"(and goes for chips. We patch it ourselves. Last year Dave used the leftover cement from his patio, which is why there's )"
    R"(a bit of gravel in it shaped like a heart (he says that wasn't on purpose). It held, mostly. The tide on the ninth was the )"
    R"(worst I've seen, right up over the second step, and the bench went, but the wall didn't.","domain":"blog","language":"en"})";

Schema text_schema() {
    return Schema::string().size(1, kTextCharactersMax).doc("The text, in UTF-8; without NUL.");
}

Schema domain_schema() {
    return Schema::string().size(1, 64).doc("Where the text comes from (news, essay, review); kept with the record.");
}

Schema language_schema() {
    return Schema::string().size(1, 35).doc(
        "BCP 47 tag. Anything but English is answered `uncertain`: the detector was trained on English.");
}

Schema text_request_schema() {
    return Schema::object({
        pipeline::required("text", text_schema()),
        pipeline::optional("domain", domain_schema()),
        pipeline::optional("language", language_schema()),
    });
}

TextContext told_of(json::Value object) {
    TextContext told;
    if (const auto domain = object.find("domain")) told.domain = domain->as_string();
    if (const auto language = object.find("language")) told.language = language->as_string();
    return told;
}

}  // namespace tidegate::provenance
