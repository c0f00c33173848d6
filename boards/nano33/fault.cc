extern "C" __attribute__((naked)) void espalier_fault(void);

// The handler of hard faults: hands over what the core saved of the code that faulted. It runs on
// the interrupts' stack, which no thread can have filled.
void espalier_fault(void) {
  __asm__ volatile(
      "tst lr, #4\n"
      "ite eq\n"
      "mrseq r0, msp\n"
      "mrsne r0, psp\n"
      "b espalier_restart_after_fault\n");
}
