// What newlib's start-up code, made for semihosting, leaves to a board: the vector table, and
// nothing to do before and after main().
void _start(void);
void _init(void);
void _fini(void);

extern char __stack[];

void _init(void) {}
void _fini(void) {}

__attribute__((section(".vectors"), used)) static void *const kVectors[] = {__stack,
                                                                            (void *)_start};
