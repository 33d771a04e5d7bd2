"""Functions for which no formula stands in: what is so, and what can be done instead.

Each group is a sentence and the names that it is for. Code in a sentence stands between backticks and is a
program.
"""

from typing import Final


def _group(sentence: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), sentence)


SENTENCES: Final = {
    **_group(
        "it follows from `u, s, vh = svd(x); s`, and `matrix_rank(x)` counts the singular values that are "
        "not 0",
        "svd_lowrank pca_lowrank rank_of orth null_space",
    ),
    **_group(
        "eigenvalues are there for symmetric and Hermitian matrices: `w, v = eigh(x); w`, or `eigvalsh(x)`; "
        "of others `det(x)` and `trace(x)` are the product and the sum",
        "eig eigvals lobpcg schur hessenberg charpoly eigs",
    ),
    **_group(
        "it has no op of its own; `cholesky(x)`, `qr(x)[0]`, `lu(x)[1]`, `solve(a, b)`, `inv(x)` and "
        "`solve_triangular(a, b)` are there",
        "lu_factor lu_solve lu_unpack ldl geqrf orgqr ormqr householder_product cholesky_inverse "
        "cholesky_ex inv_ex solve_ex ldl_factor ldl_solve ldl_factor_ex lu_factor_ex tensorinv tensorsolve "
        "cond_number",
    ),
    **_group(
        "of functions of matrices `expm(x)`, `inv(x)` and `matrix_power(x, 3)` are there; of a symmetric "
        "matrix any other is `w, v = eigh(x); v * sqrt(w) @ v.T`",
        "logm sqrtm funm signm sinm cosm tanm",
    ),
    **_group(
        "it is a convolution under another name: `convolve(x, k)` of vectors, `fftconvolve(x, y)` of "
        "tensors, and `conv1d(x[:, None], k[:, None, None])` of networks, which slides a kernel",
        "conv_tbc convolution conv conv2 separable_conv2d deconv deconvolve "
        "convolve2d correlate2d filter filter2 filtfilt lfilter depthwise_conv2d",
    ),
    **_group(
        "it is called by its number of axes: `interpolate2d(x, size=4)`, with a mode; channels are last "
        "unless data_format says 'channels_first'",
        "interpolate upsample upsample_bilinear upsample_nearest resize_bilinear resize_images "
        "resize_bicubic resize_nearest resize_nearest_neighbor resize_image",
    ),
    **_group(
        "it is called by its number of axes: `conv2d_transpose(x, k)`, with x and k channels last",
        "conv_transpose",
    ),
    **_group(
        "a pool is called by its number of axes: `max_pool2d(x, 2)`, `average_pool2d(x, 2)`; x has its "
        "channels last unless data_format says 'channels_first'",
        "maxpool avgpool max_pool avg_pool average_pool pool maxpool2d avgpool2d quantized_max_pool1d "
        "quantized_max_pool2d quantized_max_pool3d",
    ),
    **_group(
        "there are no pools with drawn windows; `adaptive_max_pool2d(x, 3)` gives a size too",
        "fractional_max_pool2d fractional_max_pool3d",
    ),
    **_group(
        "it follows from a Fourier transform: `fft(x)`, `rfft(x)`, and `abs(fft(z)) ** 2` for the power of "
        "each frequency",
        "stft istft hfft2 hfftn ihfft2 ihfftn periodogram spectrogram hilbert",
    ),
    **_group(
        "how many elements are left would depend on the data, and shapes are known before; keep all of "
        "them and use a mask: `where(x > 0, x, 0)`, `sum(where(x > 0, x, 0))`",
        "nonzero argwhere flatnonzero masked_select extract compress boolean_mask unique unique_all "
        "unique_counts unique_inverse unique_values unique_consecutive intersect1d setdiff1d setxor1d "
        "union1d trim_zeros find dropna filter_nan select_where",
    ),
    **_group(
        "counts in bins of equal width are `histogram(x, bins=10)[0]`, counts of integers `bincount(k, "
        "length=10)`, and the bin of each element `digitize(x, edges)`",
        "histogram2d histogramdd histogram_bin_edges histc hist histogram_fixed_width",
    ),
    **_group(
        "polynomials are sums of powers: `p[0] * x ** 2 + p[1] * x + p[2]`; to fit one, solve for the "
        "coefficients with `a = [x ** 2, x, 1 + 0 * x].T; solve(a.T @ a, a.T @ y)`",
        "polyval polyfit polyder polyint polyadd polymul polydiv polysub poly poly1d vander",
    ),
    **_group(
        "the roots of a polynomial are not there yet; `root` finds one: `def f(z, p): return p[0] * z "
        "** 2 + p[1] * z + p[2]\nroot(f, 1.0, p)`",
        "roots fsolve fzero newton brentq bisect",
    ),
    **_group(
        "quantiles over what is no NaN are `nanquantile(x, 0.9)` and `nanmedian(x)`",
        "nanpercentile nanmode",
    ),
    **_group(
        "running extrema are `cumulative_max(x, axis=0)` and `cumulative_min(x, axis=0)`",
        "maximum_accumulate minimum_accumulate accumulate",
    ),
    **_group(
        "it counts or divides integers, which has no gradient and is not there; `a % b` and `a // b` are",
        "gcd lcm frexp divmod modf primes isprime factor factorize nextafter spacing ulp",
    ),
    **_group(
        "this special function is not there yet; gammaln, digamma, polygamma, erf, erfc, erfinv, ndtr "
        "and spherical_jn are",
        "bessel besselj bessely besseli besselk j0 j1 jn jv jve y0 y1 yn yv yve i0 i0e i1 i1e iv ive "
        "k0 k0e k1 k1e kn kv kve hankel1 hankel1e hankel2 hankel2e bessel_j0 bessel_j1 bessel_y0 "
        "bessel_y1 modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 "
        "scaled_modified_bessel_k0 scaled_modified_bessel_k1 spherical_in spherical_kn spherical_yn "
        "spherical_bessel_j0 airy airye airy_ai struve modstruve kelvin kvp ivp yvp h1vp h2vp jn_zeros "
        "gammainc gammaincc gammaincinv gammainccinv igamma igammac mvlgamma multigammaln betainc "
        "betaincc betaincinv betainccinv expi exp1 expn erfi dawsn wofz fresnel voigt_profile sici "
        "shichi spence zeta zetac bernoulli euler lambertw ellipk ellipkm1 ellipe ellipkinc ellipeinc "
        "ellipj elliprc elliprd elliprf elliprg elliprj hyp0f1 hyp1f1 hyp2f1 hyperu legendre lpmv lpmn "
        "lqn lqmn sph_harm hermite hermitenorm laguerre jacobi gegenbauer chebyt chebyu eval_legendre "
        "eval_hermite eval_laguerre eval_chebyt eval_jacobi sinhc tklmbda owens_t diric wrightomega "
        "gammaincln",
    ),
    **_group(
        "this distribution is not there yet; the normal one is: `ndtr(z)`, `ndtri(p)`, `log_ndtr(z)`, "
        "and its log-density is `-z ** 2 / 2 - log(2 * pi) / 2`",
        "bdtr bdtrc bdtri bdtrik bdtrin btdtr btdtri fdtr fdtrc fdtri fdtridfd gdtr gdtrc gdtria "
        "gdtrib gdtrix nbdtr nbdtrc nbdtri nbdtrik nbdtrin ncfdtr ncfdtri ncfdtridfd ncfdtridfn "
        "ncfdtrinc nctdtr nctdtrit nctdtridf nctdtrinc pdtr pdtrc pdtri pdtrik stdtr stdtrit stdtridf "
        "chdtr chdtrc chdtri chdtriv chndtr chndtrix chndtridf chndtrinc nrdtrimn nrdtrisd kolmogorov "
        "kolmogi kolmogn smirnov smirnovi tdist binom_pmf poisson_pmf expcdf",
    ),
    **_group(
        "draws take a key, an input of integers, so that they can be repeated: `random_normal(key, 0, "
        "1, shape=(3,))`, `random_uniform(key, 0, 1, shape=(3,))`",
        "rand randn randint rand_like randn_like randint_like randperm normal uniform standard_normal ranf "
        "shuffle choice multinomial bernoulli sample exponential laplace gumbel truncated_normal "
        "random permutation permuted random_choice randi gumbel_softmax rrelu seed manual_seed",
    ),
    **_group(
        "in a program it takes a key: `x * random_bernoulli(key, 0.9, shape=(3,)) / 0.9`; models have "
        "Dropout layers",
        "dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout",
    ),
    **_group(
        "write it out: `(x - mean(x, axis=(1, 2), keepdims=True)) / sqrt(var(x, axis=(1, 2), "
        "keepdims=True) + 1e-5)`",
        "local_response_norm group_normalization native_layer_norm native_batch_norm native_group_norm",
    ),
    **_group(
        "it is called by its cell: `simple_rnn(x, 0, w, u, b)[0]`, with activation='relu' too; a loop of "
        "another cell is a scan",
        "rnn rnn_tanh rnn_relu rnn_tanh_cell rnn_relu_cell",
    ),
    **_group(
        "tensors never change; `index_set(x, values, index=[0])` and `index_add(x, values, index=[0])` "
        "are new tensors, with `x[0]` replaced or added to",
        "scatter scatter_add scatter_nd scatter_reduce scatter_update index_put index_copy index_fill "
        "put fill_diagonal copyto tensor_scatter_nd_update tensor_scatter_nd_add "
        "masked_scatter index_reduce slice_scatter select_scatter diagonal_scatter "
        "dynamic_update_slice at setitem assign_at scatter_max scatter_min scatter_mul",
    ),
    **_group(
        "nothing is assigned in a program; a new value takes the name: `w = w - 0.1 * g; w`",
        "assign assign_sub assign_add extend pop setattr update",
    ),
    **_group(
        "a program is a function, and the server differentiates it: name the inputs in `wrt`; a "
        "derivative in the program itself is `def f(x): return x ** 3\ngradient(f, x)`",
        "grad value_and_grad backward autograd gradients requires_grad zero_grad no_grad enable_grad "
        "jit jacfwd jacrev linearize gradienttape is_leaf retain_grad",
    ),
    **_group(
        "the request does this: name the loss and send the optimiser in a job; a program is the "
        "function alone",
        "minimize fminsearch fminunc fmincon fit compile train optimizer adam sgd curve_fit "
        "least_squares lsqnonlin",
    ),
    **_group(
        "integrals and differential equations are loops over steps: `def step(y, t, k): y = y - 0.1 * "
        "k * y; return y, y\ny, ys = scan(step, y, times, k); ys`",
        "odeint solve_ivp ode45 odefun euler_step rk4 quad integral integrate dblquad fixed_quad "
        "simpson simps romb",
    ),
    **_group(
        "sizes are fixed before the data are known; write the shape out: `x.reshape(2, -1)`, "
        "`broadcast_to(x, (2, 3))`",
        "unflatten expand_as view_as reshape_as type_as resize_as atleast_3d block "
        "unravel_index ravel_multi_index indices mgrid ogrid fromfunction tril_indices triu_indices "
        "diag_indices tril_indices_from triu_indices_from mask_indices cartesian_prod combinations",
    ),
    **_group(
        "choices are `where(x > 0, x, 0)`, one within another for several cases",
        "piecewise choose switch case switch_case select_n lax_cond",
    ),
    **_group(
        "tensors have one order only; `sort(x)` and `argsort(x)` sort along an axis, `top_k(x, 3)[0]` "
        "takes the largest: `values, places = top_k(x, 3); values`",
        "lexsort sort_complex kthvalue nlargest nsmallest mode rankdata",
    ),
    **_group(
        "`argmax` of the scores is the class, and it has no gradient: `mean(argmax(z, axis=-1) == "
        "labels)`; to train, use `sparse_categorical_crossentropy(labels, z, from_logits=True)`",
        "accuracy accuracy_score categorical_accuracy f1_score precision recall confusion_matrix auc",
    ),
    **_group(
        "a program is a formula over whole tensors and has no lists, texts or objects of Python",
        "zip enumerate exit quit help str repr format input open eval exec type isinstance issubclass "
        "getattr hasattr dir vars globals locals id hash iter next set dict frozenset bytes bytearray "
        "ord chr super object callable save load savetxt loadtxt astext array2string array_repr "
        "array_str frombuffer "
        "fromiter fromfile fromstring genfromtxt",
    ),
    **_group(
        "values are tensors of the dtypes bool, int8 to uint64, float16 to float64, complex64 and "
        "complex128; `astype(x, float32)` converts",
        "to dtype can_cast new promote_types result_type finfo iinfo isdtype issubdtype isscalar "
        "iscomplexobj isrealobj is_tensor is_complex is_floating_point min_scalar_type common_type "
        "find_common_type bfloat16 quantize dequantize quantize_per_tensor view_as_complex "
        "view_as_real",
    ),
    **_group(
        "there is no op of this name; `sinc(x)` is sin(pi x) / (pi x), `unwrap` and windows are "
        "written as formulas: `0.5 - 0.5 * cos(2 * pi * arange(8) / 7)`",
        "unwrap hanning hamming blackman bartlett kaiser hann_window hamming_window blackman_window "
        "bartlett_window kaiser_window",
    ),
    **_group(
        "dates are numbers to the server: send days or seconds as floats, and test them with `isnan(x)`",
        "isnat datetime64 timedelta64 busday_count busday_offset is_busday datetime_as_string datetime_data",
    ),
    **_group(
        "this layer or image op is not there yet; models have the layers that docs/training.md lists",
        "channel_shuffle bilinear multi_head_attention_forward ctc_loss multilabel_margin_loss "
        "triplet_margin_with_distance_loss adaptive_log_softmax_with_loss",
    ),
    **_group(
        "a tensor times another is `a * b`, a matrix product `a @ b`; sparse storage is not there",
        "smm sspaddmm sparse_mask hspmm to_sparse to_dense saddmm spmm sparse_dense_matmul chain_matmul",
    ),
    **_group(
        "its last axis is halved and gated, which `glu(x)` does with a sigmoid; write `a, b = split(x, "
        "2, axis=-1); a * silu(b)`",
        "swiglu geglu reglu",
    ),
    **_group(
        "a leaky slope of one's own is `where(x > 0, x, 0.01 * x)`",
        "lrelu threshold_relu thresholded_relu",
    ),
    **_group(
        "each is an op on the elements: `floor(x)`, `round(x)`, `trunc(x)`; a seat of bits is `x & 1`",
        "packbits unpackbits bitwise_count binary_repr bin oct base_repr bit_length popcount "
        "clz population_count",
    ),
    **_group(
        "a program knows no devices: write the op on the whole tensor, as in `sum(x)`",
        "pmax pmin psum pmean ppermute pswapaxes pcast pmap smap shard_map psum_scatter pbroadcast "
        "all_gather",
    ),
}
