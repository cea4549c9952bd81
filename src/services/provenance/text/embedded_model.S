/* The text model, byte for byte; TIDEGATE_TEXT_MODEL is its path. An assembler file, so that it works alike in GCC, clang
   and link-time optimisation, and costs the compiler nothing. */
    .section .rodata.tidegate_text_model, "a", %progbits
    .global tidegate_text_model_begin
    .global tidegate_text_model_end
    .balign 64
tidegate_text_model_begin:
    .incbin TIDEGATE_TEXT_MODEL
tidegate_text_model_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
