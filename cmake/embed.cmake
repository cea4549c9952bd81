# tidegate_embed(TARGET SYMBOL FILE)
#
# Puts FILE into the binary as bytes, read through base/embedded.h:
#   TG_EMBEDDED(SYMBOL)  declares `std::string_view SYMBOL()`.
function(tidegate_embed target symbol file)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.S)
  file(WRITE ${source}.in
".section .rodata,\"a\",@progbits
.global tg_${symbol}_begin
.global tg_${symbol}_end
.balign 64
tg_${symbol}_begin:
.incbin \"${file}\"
tg_${symbol}_end:
.byte 0
.section .note.GNU-stack,\"\",@progbits
")
  configure_file(${source}.in ${source} COPYONLY)
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${file})
  target_sources(${target} PRIVATE ${source})
endfunction()
