/*
 * void spi_switch_stacks(void **from_sp, void *to_sp)
 *
 * Saves what the System V ABI lets a callee not change, and the two floating point control words, which lie in the red
 * zone below. The frame is the same on both stacks, so the call frame information holds before and after the change of
 * %rsp.
 */
    .text
    .p2align 4
    .globl spi_switch_stacks
    .hidden spi_switch_stacks
    .type spi_switch_stacks, @function
spi_switch_stacks:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    stmxcsr -8(%rsp)
    fnstcw -4(%rsp)

    movq %rsp, (%rdi)
    movq %rsi, %rsp

    ldmxcsr -8(%rsp)
    fldcw -4(%rsp)
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    ret
    .cfi_endproc
    .size spi_switch_stacks, .-spi_switch_stacks

/* Where a new stack begins: %r12 is the function, %rbx its argument. The outermost frame, so a backtrace ends here. */
    .p2align 4
    .globl spi_switch_start
    .hidden spi_switch_start
    .type spi_switch_start, @function
spi_switch_start:
    .cfi_startproc
    .cfi_undefined %rip
    movq %rbx, %rdi
    callq *%r12
    ud2
    .cfi_endproc
    .size spi_switch_start, .-spi_switch_start

    .section .note.GNU-stack, "", @progbits
