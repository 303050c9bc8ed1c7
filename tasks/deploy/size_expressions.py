"""Size expressions in a .pt2 file: parsed before PyTorch evaluates them, so that only arithmetic gets through."""

import ast
import re

LENGTH = 2_000  # characters of an expression
DEEPEST = 64  # nesting of expressions
LARGEST = 2**63  # of a size: PyTorch's are 64 bits
SIZE = re.compile(rf"[\w +*/(),<>=!'-]{{1,{LENGTH}}}")
ENDLESS = ("**", "<<", ">>")  # a few characters can exceed any memory
WORD = re.compile(r"[A-Za-z_]\w*")
CALLS = re.compile(
    r"Symbol|Integer|Add|Mul|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|CeilToInt|IntTrueDiv"
    r"|Equality|Unequality|StrictLessThan|LessThan|StrictGreaterThan|GreaterThan|Eq|Ne|And|Or|Not"
)
NAMES = re.compile(rf"[su]\d+|positive|nonnegative|integer|True|False|{CALLS.pattern}")
SYMBOL = re.compile(r"[su]\d+")
GUARD = re.compile(r"L\['\w+'\]\.size\(\)\[\d\]")  # an input's side; guards compare them
NODES = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.keyword, ast.Name, ast.Load),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.USub, ast.Not, ast.boolop, ast.cmpop),
    ast.Constant,
)


def check_size(text: str, *, guard: bool = False) -> None:
    """Raises a ValueError for anything but arithmetic and comparisons of sizes.

    Args:
        guard: whether sides of the inputs are allowed.
    """
    sizes = GUARD.sub("1", text) if guard and len(text) <= LENGTH else text
    known = SIZE.fullmatch(sizes) and all(NAMES.fullmatch(word) for word in WORD.findall(sizes))
    if not known or any(sign in sizes for sign in ENDLESS):
        raise ValueError("it has other words or signs")
    try:
        tree = ast.parse(sizes.strip(), mode="eval")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("it is no expression") from error
    stack: list[tuple[ast.AST, int]] = [(tree, 0)]
    named: set[int] = set()  # strings that name a symbol, functions that are called
    while stack:
        node, depth = stack.pop()
        if not isinstance(node, NODES) or depth > DEEPEST:
            raise ValueError(f"it has a {type(node).__name__}")
        if isinstance(node, ast.Call):
            named |= {id(part) for part in named_by(node)}
        elif isinstance(node, ast.Name) and CALLS.fullmatch(node.id) and id(node) not in named:
            raise ValueError(f"{node.id} is not called")
        elif isinstance(node, ast.Constant) and id(node) not in named and not is_int64(node.value):
            raise ValueError("it has other values than whole numbers")
        stack += [(child, depth + 1) for child in ast.iter_child_nodes(node)]


def named_by(call: ast.Call) -> list[ast.expr]:
    """The function of a call, and the name of the symbol it creates.

    Raises:
        ValueError: for a call of anything else, and a symbol with another name.
    """
    if not isinstance(call.func, ast.Name) or not CALLS.fullmatch(call.func.id):
        raise ValueError("it calls something else")
    if call.func.id != "Symbol":
        return [call.func]
    match call.args:
        case [ast.Constant(value=str(name)) as constant] if SYMBOL.fullmatch(name):
            return [call.func, constant]
    raise ValueError("a symbol has another name")


def is_int64(value: object) -> bool:
    """Whether a constant is a 64-bit integer or a boolean."""
    return isinstance(value, int) and abs(value) < LARGEST
